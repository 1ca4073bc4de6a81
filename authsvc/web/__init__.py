"""HTTP in, HTTP out: flask and marshmallow live here."""
