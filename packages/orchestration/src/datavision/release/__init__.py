"""Releases: from a working tree to proven, pinned images; promotion, rollback, history.

local → promote → release, rollback, diff → plan, changelog → gates, registry → pins → versions, errors
"""
