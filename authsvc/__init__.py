"""authsvc: a self-hosted login service for WeChat mini programs."""

__version__ = "0.1.0"
