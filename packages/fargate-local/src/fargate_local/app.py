"""The WSGI application: ECS's actions on tasks and services here, everything else moto's."""

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fargate_local.admin import Admin
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest, CloudResponse, MalformedRequestError
from fargate_local.deliveries.office import Deliveries
from fargate_local.ecs.launchers import check_launcher
from fargate_local.ecs.neighbours import Neighbours
from fargate_local.faults.api import ApiFaults, ResponseLostError
from fargate_local.guard import Guard
from fargate_local.identity import caller_identity
from fargate_local.protocol.errors import EcsError, ServerError
from fargate_local.registry.errors import RegistryError
from fargate_local.registry.registry import Registry
from fargate_local.strict.authorizer import Authorizer
from fargate_local.task_endpoints import TaskEndpoints
from fargate_local.ui.routes import Ui

log = logging.getLogger(__name__)

ECS_TARGET = "AmazonEC2ContainerServiceV20141113."
AMAZON_JSON = "application/x-amz-json-1.1"
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Application:
    """One address for all of AWS, the containers' own endpoints, and `/_fargate/`."""

    def __init__(
        self,
        gate: MotoGate,
        actions: Mapping[str, Callable[[str, bytes], bytes]],
        neighbours: Neighbours,
        faults: ApiFaults,
        endpoints: TaskEndpoints,
        admin: Admin,
        ui: Ui,
        deliveries: Deliveries,
        registry: Registry,
        guard: Guard | None,
        authorizer: Authorizer | None = None,
    ) -> None:
        self._gate = gate
        self._actions = actions
        self._neighbours = neighbours
        self._faults = faults
        self._endpoints = endpoints
        self._admin = admin
        self._ui = ui
        self._deliveries = deliveries
        self._registry = registry
        self._guard = guard
        self._authorizer = authorizer

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            if self._registry.distribution.owns(environ):
                return self._registry.distribution(environ, start_response)
            response = self._answered(CloudRequest.from_environ(environ))
        except MalformedRequestError as error:
            # The rest of the body would be read as the connection's next request.
            closing = ("Connection", "close")
            response = document({"message": str(error)}, "400 Bad Request", closing)
        start_response(response.status, response.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else response.body

    def _answered(self, request: CloudRequest) -> CloudResponse:
        try:
            return self._answer(request)
        except (EcsError, RegistryError) as error:
            return refused(error)
        except ResponseLostError:
            raise
        except Exception:
            if is_form(request):
                return malformed_post()
            log.exception("%s %s %s failed", request.method, request.path, request.action)
            return refused(ServerError("The request could not be processed: see fargate-local's log."))

    def _answer(self, request: CloudRequest) -> CloudResponse:
        if request.path.startswith(("/v2/credentials/", "/v3/", "/v4/")) and "authorization" not in request.headers:
            return document(self._endpoints.answer(request.path))
        if self._ui.owns(request.path):
            return self._ui.answer(request)
        if self._deliveries.owns(request.path):
            return self._deliveries.answer(request)
        refusal = self._guard.refusal(request) if self._guard else None
        if refusal:
            return refusal
        if request.path.startswith("/_fargate/"):
            return self._admin.answer(request)
        refusal = self._authorizer.refusal(request) if self._authorizer else None
        if refusal:
            return refusal
        if request.headers.get("x-amz-target", "").startswith(ECS_TARGET):
            return self._ecs(request)
        if answer := self._registry.api.answer(request):
            return succeeded(answer)
        check_launcher(request)
        response = caller_identity(request, self._endpoints) or self._gate.handle(request)
        self._deliveries.sent(request, response)
        return response

    def _ecs(self, request: CloudRequest) -> CloudResponse:
        self._faults.before(request)
        action = self._actions.get(request.action)
        answer = action(request.region, request.body) if action else self._neighbours.answer(request)
        self._faults.after(request)
        return succeeded(answer) if isinstance(answer, bytes) else answer


def succeeded(body: bytes) -> CloudResponse:
    """Return a successful answer of the ECS or ECR API."""
    return CloudResponse("200 OK", headers_for(body), [body])


def refused(error: EcsError | RegistryError) -> CloudResponse:
    """Return an error answer of the ECS or ECR API."""
    number, extra = (error.status, error.extra) if isinstance(error, EcsError) else (400, {})
    status = "400 Bad Request" if number == 400 else f"{number} Server Error"
    body = json.dumps({"__type": error.code, "message": str(error), **extra}).encode()
    return CloudResponse(status, [*headers_for(body), ("x-amzn-ErrorType", error.code)], [body])


def headers_for(body: bytes) -> list[tuple[str, str]]:
    """Return the headers of an ECS answer."""
    return [
        ("Content-Type", AMAZON_JSON),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]


def is_form(request: CloudRequest) -> bool:
    """Return whether the request is a browser form posted to S3; moto fails on those that lack a field."""
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return (request.method, request.service) == ("POST", "s3") and request.headers.get("content-type", "").startswith(
        kinds
    )


def document(content: dict[str, Any] | None, status: str = "200 OK", *more_headers: tuple[str, str]) -> CloudResponse:
    """Return `content` as a JSON response, or 404 when it is None."""
    body = json.dumps(content if content is not None else {"message": "not found"}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *more_headers]
    return CloudResponse("404 Not Found" if content is None else status, headers, [body])


def malformed_post() -> CloudResponse:
    """Return S3's answer to a form that it cannot read (API reference, "Error responses")."""
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>MalformedPOSTRequest</Code><Message>'
        b"The body of your POST request is not well-formed multipart/form-data.</Message></Error>"
    )
    return CloudResponse(
        "400 Bad Request", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], [body]
    )
