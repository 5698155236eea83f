"""Calls of a server's admin routes, signed with its key."""

import json
import urllib.error
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fargate_local.keys import ServerKey

SERVICE = "fargate-local"
TIMEOUT_SECONDS = 30


class AdminError(RuntimeError):
    """The server refused; the text is its reason."""


def ask(key: ServerKey, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Call `/_fargate/<path>` and return the JSON answer.

    Raises:
        AdminError: The server refused.
        OSError: No server answers.
    """
    url = f"{key.url.rstrip('/')}/_fargate/{path}"
    data = json.dumps(body).encode() if body is not None else None
    signed = AWSRequest(method, url, {"Content-Type": "application/json"}, data)
    SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), SERVICE, "us-east-1").add_auth(signed)
    request = urllib.request.Request(url, data, dict(signed.headers.items()), method=method)  # noqa: S310 - a server of ours
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        with error:
            raise AdminError(json.load(error)["message"]) from error
