"""Links to layers, good for an hour without a token: what GetDownloadUrlForLayer answers."""

import hmac
import time
from typing import Final
from urllib.parse import parse_qs, urlencode

from fargate_local.registry.layers import Place
from fargate_local.registry.tokens import Tokens

LIFE_SECONDS: Final = 3600


class Links:
    """Makes links to layers at the server's address, and recognizes them."""

    def __init__(self, address: str, tokens: Tokens) -> None:
        self._address = address
        self._tokens = tokens

    def make(self, place: Place, digest: str) -> str:
        """Return the URL of a repository's layer."""
        until = str(int(time.time()) + LIFE_SECONDS)
        query = {"region": place.region, "until": until, "grant": self._grant(place, digest, until)}
        return f"{self._address}/v2/{place.repository}/blobs/{digest}?{urlencode(query)}"

    def place(self, query: str, repository: str, digest: str) -> Place | None:
        """Return the repository that a link with this query leads to; None when it is no link, or too old."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        place, until = Place(given.get("region", ""), repository), given.get("until", "")
        if not hmac.compare_digest(self._grant(place, digest, until).encode(), given.get("grant", "").encode()):
            return None
        return place if int(until) >= time.time() else None

    def _grant(self, place: Place, digest: str, until: str) -> str:
        return self._tokens.sign(f"{place.region} {place.repository} {digest} {until}")
