"""Sessions: opened, renewed, ended; their tokens, step-up, and what other services may ask about them."""
