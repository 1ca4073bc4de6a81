"""Pictures that others made: counted before they are decoded, and decoded in a process of its own."""
