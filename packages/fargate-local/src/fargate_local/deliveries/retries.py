"""When SNS tries again: the pauses between attempts, in seconds.

Developer guide, "Amazon SNS message delivery retries" (read November 2026): an HTTP/S endpoint has three retries 20 s
apart unless a policy says otherwise; a mail has two 10 s apart, then ten with exponential backoff from 10 s to 10 min.
The 38 further ones at 10 min are left out: nobody waits for a mail of a test for six hours.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

DEFAULT: Final = {"minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3}
MOST_RETRIES: Final = 100
LONGEST: Final = 3600.0
"""All pauses of an HTTP/S policy together."""


def spread(least: float, most: float, count: int, function: str) -> list[float]:
    """Return `count` pauses that grow from `least` to `most`: evenly when linear, else by a factor."""
    if count <= 1:
        return [least] * count
    steps = [number / (count - 1) for number in range(count)]
    if function == "linear" or least <= 0:
        return [least + (most - least) * step for step in steps]
    return [least * (most / least) ** step for step in steps]


MAIL: Final[Sequence[float]] = (10.0, 10.0, *spread(10.0, 600.0, 10, "exponential"))


def http_pauses(policies: Sequence[str]) -> list[float]:
    """Return the pauses by the first of these policies (JSON) that has a say; SNS's own where it makes no sense."""
    try:
        return pauses_of(retry_policy(policies))
    except (TypeError, ValueError):
        return pauses_of(DEFAULT)


def pauses_of(policy: dict[str, Any]) -> list[float]:
    """Return the pauses of a healthy retry policy."""
    least, most = float(policy.get("minDelayTarget", 20)), float(policy.get("maxDelayTarget", 20))
    at_once, early, late = (
        min(int(policy.get(name) or 0), MOST_RETRIES)
        for name in ("numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries")
    )
    total = min(int(policy.get("numRetries", 3)), MOST_RETRIES)
    backoff = max(total - at_once - early - late, 0)
    function = str(policy.get("backoffFunction") or "linear")
    pauses = [0.0] * at_once + [least] * early + spread(least, most, backoff, function) + [most] * late
    kept: list[float] = []
    for pause in pauses[:total]:
        if sum(kept) + pause > LONGEST:
            break
        kept.append(pause)
    return kept


def retry_policy(policies: Sequence[str]) -> dict[str, Any]:
    """Return the healthy retry policy of a subscription, else of its topic, else SNS's own."""
    for text in policies:
        found = as_object(text)
        for healthy in (found.get("healthyRetryPolicy"), of_topic(found).get("defaultHealthyRetryPolicy")):
            if isinstance(healthy, dict):
                return healthy
    return DEFAULT


def content_type(policies: Sequence[str]) -> str:
    """Return the Content-Type that a policy asks for (`headerContentType`), else SNS's own."""
    for text in policies:
        found = as_object(text)
        for requests in (found.get("requestPolicy"), of_topic(found).get("defaultRequestPolicy")):
            if isinstance(requests, dict) and requests.get("headerContentType"):
                return str(requests["headerContentType"])
    return "text/plain; charset=UTF-8"


def of_topic(policy: dict[str, Any]) -> dict[str, Any]:
    """Return what a topic's policy says of HTTP."""
    http = policy.get("http")
    return http if isinstance(http, dict) else {}


def as_object(text: str) -> dict[str, Any]:
    """Return a policy as data; an empty one where it is no JSON object, which moto does not check."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
