"""Why a resource could not be made, changed or deleted, in CloudFormation's words."""

import logging
import re
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from fargate_local.protocol.errors import EcsError
from fargate_local.stacks.matching import AlreadyExistsError, PropertyError
from fargate_local.stacks.order import TemplateError

log = logging.getLogger(__name__)

GONE: Final = re.compile(r"NotFound|NoSuch|NotExist|Unknown|404|InvalidGroup\.NotFound")


class StepFailedError(Exception):
    """A resource that failed; `logical_id` is empty when an output did."""

    def __init__(self, logical_id: str, reason: str) -> None:
        super().__init__(reason)
        self.logical_id = logical_id
        self.reason = reason

    def summary(self, verb: str) -> str:
        """Return what the stack's own event says about it."""
        if not self.logical_id:
            return self.reason
        return f"The following resource(s) failed to {verb}: [{self.logical_id}]."


def reason_of(error: Exception) -> str:
    """Return the `ResourceStatusReason` for an error; one that nobody foresaw is in the log too."""
    if isinstance(error, ClientError):
        detail, meta = error.response["Error"], error.response["ResponseMetadata"]
        service = meta.get("Service", error.operation_name)
        status, request = meta.get("HTTPStatusCode", 400), meta.get("RequestId", "")
        said = f"{detail.get('Message', '')} (Service: {service}, Status Code: {status}, Request ID: {request})"
        return f'Resource handler returned message: "{said}" (HandlerErrorCode: {detail.get("Code", "")})'
    if isinstance(error, PropertyError):
        return f"Properties validation failed for resource with message: {error}"
    if isinstance(error, AlreadyExistsError):
        return f'Resource handler returned message: "{error}" (HandlerErrorCode: AlreadyExists)'
    if isinstance(error, TemplateError | BotoCoreError | EcsError):
        return str(error)
    message = getattr(error, "message", None)
    if isinstance(message, str) and hasattr(error, "code"):
        return message
    log.warning("a template's resource failed", exc_info=error)
    return f"fargate-local could not make it ({type(error).__name__}: {error})"


def is_gone(error: Exception) -> bool:
    """Return whether an error says that what was to be deleted is not there."""
    code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else getattr(error, "code", "")
    return bool(GONE.search(str(code)))
