"""Where pictures are kept: a folder, or a bucket for several machines."""
