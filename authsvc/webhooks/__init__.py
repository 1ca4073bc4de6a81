"""Messages to the company's other services: how they are signed, and sent."""
