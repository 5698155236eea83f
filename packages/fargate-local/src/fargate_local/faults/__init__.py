"""Failures on demand: rules, and the request rates that AWS grants."""
