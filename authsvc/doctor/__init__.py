"""Examines a deployment from its settings to its public address, and says for each fault what to do.

One file per subject. It builds its own adapters from the settings, because it has to work where the service does not
start. It changes nothing: no row, no setting, no access_token.
"""
