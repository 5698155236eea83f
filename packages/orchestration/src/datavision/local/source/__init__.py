"""The source database of a laptop: a believable business, made from a seed and moved on day by day."""
