"""Finds out who a person is: identities, unionid, phone number, merging, bans."""
