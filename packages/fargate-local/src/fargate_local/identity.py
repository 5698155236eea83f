"""Who STS says a task is: its role, in a session named after the task (developer guide, "Amazon ECS task IAM role")."""

import hashlib
import uuid
from xml.sax.saxutils import escape

from fargate_local.cloud.requests import CREDENTIAL_SCOPE, CloudRequest, CloudResponse
from fargate_local.protocol.arns import ACCOUNT, last_part
from fargate_local.task_endpoints import TaskEndpoints


def caller_identity(request: CloudRequest, endpoints: TaskEndpoints) -> CloudResponse | None:
    """Return STS's answer to a task that asks who it is, or None for any other request or caller."""
    if request.service != "sts" or request.action != "GetCallerIdentity":
        return None
    signed = CREDENTIAL_SCOPE.search(request.headers.get("authorization", ""))
    caller = endpoints.caller(signed[1]) if signed else None
    if caller is None:
        return None
    role, task_id = caller
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{last_part(role)}/{task_id}"
    user = f"AROA{hashlib.sha256(role.encode()).hexdigest()[:17].upper()}:{task_id}"
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>{escape(arn)}</Arn><UserId>{escape(user)}</UserId><Account>{ACCOUNT}</Account>"
        f"</GetCallerIdentityResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    ).encode()
    return CloudResponse("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))], [body])
