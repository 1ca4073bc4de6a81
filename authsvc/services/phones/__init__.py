"""Phone numbers: requests to WeChat within budgets, and binding."""
