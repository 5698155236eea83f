"""Who may call: anyone who signs with the server's key, with a task's credentials, or with a key that moto knows.

A rejection uses the words of the service that was called ("Common errors" of ECS, IAM, EC2 and S3, read November 2026).
"""

import json
import uuid
from typing import Final

from fargate_local.cloud.principals import moto_key
from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.keys import RDS_BUNDLE_PATH, ServerKey, TaskKeys
from fargate_local.signature import Claim, ExpiredError, is_genuine, read_claim

OWN_ROUTES: Final = ("/_fargate/", "/moto-api")
OPEN: Final = (("GET", "/_fargate/health"), ("GET", RDS_BUNDLE_PATH))
"""What needs no key: nothing that tells, and the certificate that RDS gives to everybody, too."""
S3_CODES: Final = {
    "MissingAuthenticationToken": ("AccessDenied", "Access Denied"),
    "InvalidClientTokenId": (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    "SignatureDoesNotMatch": (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing"
        " method.",
    ),
    "ExpiredToken": ("ExpiredToken", "The provided token has expired."),
    "RequestExpired": ("AccessDenied", "Request has expired"),
}
JSON_CODES: Final = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ExpiredToken": "ExpiredTokenException",
    "RequestExpired": "InvalidSignatureException",
    "AccessDenied": "AccessDeniedException",
}
MESSAGES: Final = {
    "MissingAuthenticationToken": "Request is missing Authentication Token",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "SignatureDoesNotMatch": (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access"
        " Key and signing method. Consult the service documentation for details."
    ),
    "ExpiredToken": "The security token included in the request is expired",
    "RequestExpired": "Signature expired",
    "AccessDenied": "Only the server's own key opens this route.",
}


class Guard:
    """Lets a request through, or rejects it as AWS would."""

    def __init__(self, key: ServerKey, tasks: TaskKeys) -> None:
        self._key = key
        self._tasks = tasks

    def refusal(self, request: CloudRequest) -> CloudResponse | None:
        """Return the answer to a request that may not pass, or None when it may."""
        if (request.method, request.path) in OPEN:
            return None
        claim = read_claim(request)
        code = self._objection(request, claim)
        return refused(request, code, claim) if code else None

    def knows(self, access_key_id: str) -> bool:
        """Return whether an access key is one that calls may be signed with."""
        found = self._tasks.find(access_key_id) or moto_key(access_key_id)
        return access_key_id == self._key.access_key_id or (found is not None and not found.expired)

    def _objection(self, request: CloudRequest, claim: Claim | None) -> str | None:
        if claim is None:
            return "MissingAuthenticationToken"
        own = claim.access_key_id == self._key.access_key_id
        secret = self._key.secret_access_key
        if not own:
            found = self._tasks.find(claim.access_key_id) or moto_key(claim.access_key_id)
            if found is None or found.token != claim.token:
                return "InvalidClientTokenId"
            if found.expired:
                return "ExpiredToken"
            secret = found.secret_access_key
        try:
            if not is_genuine(request, claim, secret):
                return "SignatureDoesNotMatch"
        except ExpiredError:
            return "RequestExpired"
        return "AccessDenied" if request.path.startswith(OWN_ROUTES) and not own else None


def refused(request: CloudRequest, code: str, claim: Claim | None) -> CloudResponse:
    """Return the rejection in the protocol of the call."""
    if request.path.startswith(OWN_ROUTES) or "x-amz-target" in request.headers:
        return as_json(code, 400 if "x-amz-target" in request.headers else 403)
    if request.action:
        return as_query(code, claim)
    if claim is None or claim.service == "s3":
        return as_s3(code)
    return as_json(code, 403)


def as_json(code: str, status: int) -> CloudResponse:
    """Return a rejection for the JSON protocols."""
    body = json.dumps({"__type": JSON_CODES[code], "message": MESSAGES[code]}).encode()
    extra = [("x-amzn-ErrorType", JSON_CODES[code])]
    return answer(status, "application/x-amz-json-1.1", body, extra)


def as_query(code: str, claim: Claim | None) -> CloudResponse:
    """Return a rejection for IAM, STS, SQS and the other query protocols; EC2 has its own name for all of these."""
    identifier = uuid.uuid4()
    if claim is not None and claim.service == "ec2" and code != "AccessDenied":
        message = "AWS was not able to validate the provided access credentials"
        body = (
            f"<Response><Errors><Error><Code>AuthFailure</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{identifier}</RequestID></Response>"
        )
        return answer(401, "text/xml", body.encode())
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{MESSAGES[code]}</Message></Error>"
        f"<RequestId>{identifier}</RequestId></ErrorResponse>"
    )
    return answer(403, "text/xml", body.encode())


def as_s3(code: str) -> CloudResponse:
    """Return a rejection for S3."""
    name, message = S3_CODES.get(code, ("AccessDenied", "Access Denied"))
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{name}</Code><Message>{message}</Message>'
        f"<RequestId>{uuid.uuid4()}</RequestId></Error>"
    )
    return answer(400 if name == "ExpiredToken" else 403, "application/xml", body.encode())


def answer(status: int, kind: str, body: bytes, more: list[tuple[str, str]] | None = None) -> CloudResponse:
    """Return a rejection with its Content-Length."""
    words = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}[status]
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *(more or [])]
    return CloudResponse(f"{status} {words}", headers, [body])
