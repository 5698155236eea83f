"""The segments, in order, for peers that write the RFM model by hand (docs/domain.md)."""

RULES = (
    ("Campeones", (4, 5), (4, 5), (4, 5)),
    ("Clientes Leales", (4, 5), (3, 5), (3, 5)),
    ("Clientes de Alto Valor", (4, 5), (1, 2), (4, 5)),
    ("Clientes Potenciales", (4, 5), (2, 5), (2, 5)),
    ("Nuevos Clientes", (5, 5), (1, 2), (1, 2)),
    ("No se pueden perder", (1, 2), (4, 5), (4, 5)),
    ("Necesitan Atención", (3, 3), (4, 5), (4, 5)),
    ("En Riesgo", (1, 3), (2, 5), (2, 5)),
    ("Perdidos", (1, 1), (1, 1), (1, 1)),
    ("Clientes Dormidos", (1, 2), (1, 2), (1, 2)),
)
OTHERWISE = "Clientes Regulares"
"""Each: name, least and greatest recency, frequency and monetary score."""


def segment(recency: int, frequency: int, monetary: int) -> str:
    """Return the first segment that holds."""
    for name, *ranges in RULES:
        scores = (recency, frequency, monetary)
        if all(low <= score <= high for score, (low, high) in zip(scores, ranges, strict=True)):
            return name
    return OTHERWISE


def table() -> list[tuple[int, int, int, str]]:
    """Return the segment of every combination of scores."""
    scores = range(1, 6)
    return [(r, f, m, segment(r, f, m)) for r in scores for f in scores for m in scores]
