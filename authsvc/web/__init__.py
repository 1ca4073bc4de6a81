"""HTTP in, HTTP out: the only room that uses Flask and marshmallow."""
