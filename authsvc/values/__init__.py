"""Frozen values that rooms exchange, by subject. They have no behaviour beyond their own data."""
