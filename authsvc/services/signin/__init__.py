"""Signing in with a code, with a ticket, with a scan."""
