"""Queries: one file per table, with the table's name."""
