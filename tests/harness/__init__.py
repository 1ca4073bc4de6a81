"""Real processes for tests: the simulator, authsvc under gunicorn, databases, and the scan for leaked secrets."""
