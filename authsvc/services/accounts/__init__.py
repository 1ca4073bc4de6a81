"""Who is it: identities, unionid, the phone as a key, merging, bans."""
