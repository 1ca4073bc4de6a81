"""Queries, a file per table and named after it."""
