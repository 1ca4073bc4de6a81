"""Mini-program codes (小程序码): drawn, kept, in batches."""
