"""What an operator looks at and does, and what outlives no purge."""
