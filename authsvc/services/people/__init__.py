"""What signed-in people see and change of themselves, and how they leave."""
