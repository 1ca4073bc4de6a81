"""The only door to WeChat: its HTTP API, its error codes, its encrypted data."""
