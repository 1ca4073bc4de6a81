"""Where pictures are kept: a folder."""
