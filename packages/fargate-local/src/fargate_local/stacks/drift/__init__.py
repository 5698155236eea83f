"""Drift: what the services say of a stack's resources, beside what its template says."""
