"""The access_token of each mini program: fetched once, however many threads, processes and machines ask.

``store.py`` implements the guarantees. ``fileshelf.py`` and ``redisshelf.py`` are the two shelves that can store
tokens.
"""
