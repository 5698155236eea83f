"""The source database of a laptop: a believable business, made from a seed and moved on day by day."""

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
