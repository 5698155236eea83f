"""How AWS says no: the sentence, and the form it has in each protocol.

Sentences: IAM user guide, "Troubleshoot access denied error messages" (read November 2026). S3 puts the resource in
quotes (aws-samples/serverless-patterns#2457); SQS writes its actions in small letters; EC2 has a code of its own and a
first sentence before it.
"""

import json
import uuid
from xml.sax.saxutils import escape

from fargate_local.cloud.requests import CloudResponse
from fargate_local.guard import answer
from fargate_local.strict.calls import Call
from fargate_local.strict.policy import Need, Principal


def sentence(principal: Principal, need: Need, because: str) -> str:
    """Return AWS's sentence: who may not do what on what, and why."""
    resource = f'"{need.resource}"' if need.action.startswith("s3:") else need.resource
    text = f"User: {principal.arn} is not authorized to perform: {need.action} on resource: {resource} {because}"
    return text.replace(need.action, need.action.lower()) if need.action.startswith("sqs:") else text


def denied(call: Call, text: str) -> CloudResponse:
    """Return the refusal with this text, in the protocol of the call."""
    request = call.request
    identifier = uuid.uuid4()
    if call.service == "s3":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
            f"<Message>{escape(text)}</Message><RequestId>{identifier}</RequestId></Error>"
        )
        return answer(403, "application/xml", body.encode())
    if call.service == "ec2":
        message = f"You are not authorized to perform this operation. {text}"
        body = (
            f"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>{escape(message)}</Message></Error>"
            f"</Errors><RequestID>{identifier}</RequestID></Response>"
        )
        return answer(403, "text/xml", body.encode())
    if "x-amz-target" in request.headers or not request.action:
        code = "AccessDeniedException"
        headers = [("x-amzn-ErrorType", code)]
        if "x-amzn-query-mode" in request.headers:
            # The name that the service's older protocol has for it, which SDKs go on to show.
            headers.append(("x-amzn-query-error", "AccessDenied;Sender"))
        content = json.dumps({"__type": code, "message": text, "Message": text}).encode()
        status = 400 if "x-amz-target" in request.headers else 403
        return answer(status, "application/x-amz-json-1.1", content, headers)
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{escape(text)}</Message></Error>"
        f"<RequestId>{identifier}</RequestId></ErrorResponse>"
    )
    return answer(403, "text/xml", body.encode())
