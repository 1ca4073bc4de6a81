"""Pictures from outside: checked before they are decoded, and decoded in a separate process."""
