"""The access_token of each mini program: fetched once, however many threads, processes and machines ask.

``store.py`` holds the promises, ``file.py`` and ``redis.py`` are the two shelves it may keep tokens on.
"""
