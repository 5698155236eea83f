"""Releases: from a working tree to tested, pinned images; promotion, rollback, history.

local → promote → release, rollback, diff → plan, changelog → gates, registry → pins → versions, errors
"""
