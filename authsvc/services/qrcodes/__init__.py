"""Mini-program codes (小程序码): drawing and storing them, also in batches."""
