"""Invites: what a code does at a login, people's own codes, campaigns."""
