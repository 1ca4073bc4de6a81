"""The mini programs, and what WeChat gives them: access_token, session_key, and data encrypted with that key."""
