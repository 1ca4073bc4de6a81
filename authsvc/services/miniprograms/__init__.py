"""Our mini programs, and what WeChat gives them: access_token, session_key, and what that key opens."""
