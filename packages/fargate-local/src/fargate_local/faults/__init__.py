"""Failures on demand: rules, and AWS's request rate limits."""
