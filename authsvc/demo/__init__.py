"""The demo behind ``authsvc demo`` and ``scripts/demo``: a program beside the service, which it starts."""
