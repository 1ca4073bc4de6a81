"""Frozen values that travel between rooms, by subject. No behaviour beyond what a value knows of itself."""
