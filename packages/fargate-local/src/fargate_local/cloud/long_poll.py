"""SQS long polls: moto waits inside a call, and would block everyone else meanwhile.

A ReceiveMessage that waits is split into many short ones, and the waiting happens here, between them.
"""

import json
import re
from dataclasses import dataclass, replace

from fargate_local.cloud.requests import CloudRequest

PAUSE_SECONDS = 0.1
LONGEST_SECONDS = 20
WAIT = "WaitTimeSeconds"
QUEUE_WAIT = "ReceiveMessageWaitTimeSeconds"
REDRIVE = "RedrivePolicy"
FORM_WAIT = re.compile(rf"(?:^|&){WAIT}=([^&]*)")
FOUND_WAIT = re.compile(rf"{QUEUE_WAIT}\D+(\d+)".encode())


@dataclass(frozen=True)
class LongPoll:
    """A ReceiveMessage, split up."""

    once: CloudRequest
    """The same request without a wait."""
    seconds: int | None
    """How long it asks to wait; None leaves that to the queue."""


def long_poll(request: CloudRequest) -> LongPoll | None:
    """Return the parts of a ReceiveMessage, or None when moto answers at once (another action, an invalid wait)."""
    if request.action != "ReceiveMessage":
        return None
    asked, once = _json_wait(request) if "x-amz-target" in request.headers else _form_wait(request)
    if asked is None:
        return LongPoll(once, None)
    return LongPoll(once, int(asked)) if asked.isdecimal() and int(asked) <= LONGEST_SECONDS else None


def queue_question(request: CloudRequest) -> CloudRequest:
    """Return the GetQueueAttributes that tells how long the queue waits, and whether it has a dead-letter queue."""
    if "x-amz-target" in request.headers:
        headers = request.headers | {"x-amz-target": "AmazonSQS.GetQueueAttributes"}
        body = {"QueueUrl": json.loads(request.body).get("QueueUrl"), "AttributeNames": [QUEUE_WAIT, REDRIVE]}
        return replace(request, headers=headers, body=json.dumps(body).encode())
    names = f"&AttributeName.1={QUEUE_WAIT}&AttributeName.2={REDRIVE}"
    action = "Action=GetQueueAttributes"
    if b"Action=ReceiveMessage" in request.body:
        return replace(request, body=request.body.replace(b"Action=ReceiveMessage", f"{action}{names}".encode()))
    return replace(request, target=request.target.replace("Action=ReceiveMessage", f"{action}{names}"))


def queue_seconds(attributes: bytes) -> int:
    """Return the queue's own wait in seconds, from the answer to `queue_question`, in JSON or XML."""
    found = FOUND_WAIT.search(attributes)
    return int(found[1]) if found else 0


def _json_wait(request: CloudRequest) -> tuple[str | None, CloudRequest]:
    try:
        body = json.loads(request.body)
        asked = body.get(WAIT)
    except (ValueError, AttributeError):
        # Not JSON, or no object: moto says what is wrong with it.
        return "?", request
    once = replace(request, body=json.dumps(body | {WAIT: 0}).encode())
    return (None if asked is None else str(asked)), once


def _form_wait(request: CloudRequest) -> tuple[str | None, CloudRequest]:
    if b"Action=ReceiveMessage" in request.body:
        form = request.body.decode("latin-1")
        found = FORM_WAIT.search(form)
        once = replace(request, body=f"{FORM_WAIT.sub('', form)}&{WAIT}=0".encode("latin-1"))
    else:
        path, _, query = request.target.partition("?")
        found = FORM_WAIT.search(query)
        once = replace(request, target=f"{path}?{FORM_WAIT.sub('', query)}&{WAIT}=0")
    return (found[1] if found else None), once
