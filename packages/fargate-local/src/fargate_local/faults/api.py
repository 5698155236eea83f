"""Faults of the API itself: throttling, server errors, latency, refusals, lost answers."""

import json
import time
from typing import Any

from fargate_local.cloud.requests import CloudRequest
from fargate_local.faults.buckets import TokenBuckets
from fargate_local.faults.rules import Fault, FaultRule, FaultRules
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.errors import AccessDeniedError, ServerError, ThrottlingError


class ResponseLostError(Exception):
    """The request was carried out, but its answer must not arrive."""


class ApiFaults:
    """Applied to every ECS request: `before` it is carried out, and `after`."""

    def __init__(self, rules: FaultRules, buckets: TokenBuckets | None) -> None:
        self._rules = rules
        self._buckets = buckets

    def before(self, request: CloudRequest) -> None:
        """Delay or reject a request.

        Raises:
            ThrottlingError: A rule or the request rate says so.
            ServerError: A rule says so.
            AccessDeniedError: A rule says so.
        """
        subject = subject_of(request)
        if self._buckets and not self._buckets.take(request.action, launches(request)):
            raise ThrottlingError
        if rule := self._draw("latency", subject):
            time.sleep(rule.seconds or 0.0)
        if self._draw("throttling", subject):
            raise ThrottlingError
        if rule := self._draw("server-error", subject):
            raise ServerError(rule.message or "Service Unavailable. Please try again later.")
        if rule := self._draw("access-denied", subject):
            user = "arn:aws:sts::123456789012:assumed-role/local/session"
            message = f"User: {user} is not authorized to perform: ecs:{request.action}"
            raise AccessDeniedError(rule.message or message)

    def after(self, request: CloudRequest) -> None:
        """Lose the answer to a request.

        Raises:
            ResponseLostError: A rule says so.
        """
        if self._draw("response-lost", subject_of(request)):
            raise ResponseLostError

    def _draw(self, fault: Fault, subject: dict[str, str]) -> FaultRule | None:
        return self._rules.draw(fault, **subject)


def subject_of(request: CloudRequest) -> dict[str, str]:
    """Return what rules can match in a request that may turn out to be invalid."""
    document = body_of(request)
    subject = {"action": request.action, "cluster": last_part(text_of(document, "cluster") or "default")}
    definition = text_of(document, "taskDefinition") or text_of(document, "family")
    if definition:
        subject["family"] = last_part(definition).partition(":")[0]
    return subject


def launches(request: CloudRequest) -> int:
    """Return how many tasks a request would start."""
    if request.action != "RunTask":
        return 0
    count = body_of(request).get("count", 1)
    return count if isinstance(count, int) and 1 <= count <= 10 else 1


def body_of(request: CloudRequest) -> dict[str, Any]:
    """Return the body's JSON object, or an empty one when it has none."""
    try:
        document = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def text_of(document: dict[str, Any], key: str) -> str:
    """Return the text under `key`, or an empty one when there is none."""
    value = document.get(key)
    return value if isinstance(value, str) else ""
