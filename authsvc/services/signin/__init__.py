"""Signing in: by a code, by a ticket, by a scan."""
