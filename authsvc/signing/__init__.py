"""Creates and publishes keys; issues and checks tokens."""
