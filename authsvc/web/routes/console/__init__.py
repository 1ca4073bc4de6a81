"""The pages of the console, for the people of support and marketing. They exist only while ``CONSOLE`` is 1."""
