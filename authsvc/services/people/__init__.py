"""What signed-in people can see and change about themselves, and leaving."""
