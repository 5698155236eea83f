"""The source database of a laptop: a realistic business, generated from a seed and advanced day by day."""

from datavision.local.source.database import (
    SourceError,
    SourceUnreachable,
    Standing,
    advance,
    counts,
    load,
    standing,
)

__all__ = ["SourceError", "SourceUnreachable", "Standing", "advance", "counts", "load", "standing"]
