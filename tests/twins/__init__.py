"""authsvc with a known bug put back in, for gunicorn to run: a check that passes on its twin checks nothing."""
