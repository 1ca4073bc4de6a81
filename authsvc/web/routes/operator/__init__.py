"""The operator API: what the console shows and does, as JSON. It exists only while ``CONSOLE`` is 1."""
