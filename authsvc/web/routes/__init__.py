"""Routes, a file per blueprint."""
