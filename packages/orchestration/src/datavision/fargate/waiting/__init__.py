"""Waiting for a container: in the worker, or in the triggerer with one poll loop for all."""
