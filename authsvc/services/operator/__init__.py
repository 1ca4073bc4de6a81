"""The operator's views and actions, and the deletion of old rows."""
