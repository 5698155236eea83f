"""When the container's bill began, from the task metadata endpoint."""

import json
import time
import urllib.request
from contextlib import suppress
from datetime import datetime

ANSWER_SECONDS = 2.0


def billed_since(metadata_uri: str | None) -> float:
    """Return the start of the image pull as `time.monotonic()` counts; now, where nobody says when that was."""
    now = time.monotonic()
    if metadata_uri is None:
        return now
    with suppress(OSError, ValueError, KeyError, TypeError):
        with urllib.request.urlopen(f"{metadata_uri}/task", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - ECS's own
            began = datetime.fromisoformat(json.load(answer)["PullStartedAt"]).timestamp()
        return now - max(time.time() - began, 0.0)
    return now
