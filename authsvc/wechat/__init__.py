"""The only room that deals with WeChat: its HTTP API, its error codes, its encrypted data."""
