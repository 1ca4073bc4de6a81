"""Routes, one file per blueprint."""
