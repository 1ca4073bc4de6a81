"""What only authsvc can do for the company's other services: whatever hangs on a person's WeChat."""
