"""Invites: codes at a login, people's own codes, campaigns."""
