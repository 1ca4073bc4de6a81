"""Keys and tokens: making, publishing, issuing, checking."""
