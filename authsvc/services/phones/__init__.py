"""Phone numbers: one form for each, asking WeChat within budgets, binding."""
