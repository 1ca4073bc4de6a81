"""Changes of people, for other services that keep a copy or want to be told."""
