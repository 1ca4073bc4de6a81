"""Sessions: opening, renewing and ending them; their tokens, step-up, and other services' requests about them."""
