"""The source database of a laptop: a believable business, made from a seed and moved on day by day."""

from datavision.local.source.database import (
    TABLES,
    SourceError,
    SourceUnreachable,
    Standing,
    advance,
    counts,
    load,
    standing,
)

__all__ = ["TABLES", "SourceError", "SourceUnreachable", "Standing", "advance", "counts", "load", "standing"]
