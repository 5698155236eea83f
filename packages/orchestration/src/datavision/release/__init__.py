"""Releases: from a working tree to proven, pinned images; promotion, rollback, history.

release, promote, rollback → plan, canary, scan, lock, records → git, history → pins, images, task_definitions
"""
