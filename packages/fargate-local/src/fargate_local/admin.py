"""The admin endpoint under ``/_fargate/``: health, faults, load balancers, used permissions, codes, RDS's bundle."""

import json
from collections.abc import Callable
from typing import Any

from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.faults.rules import FaultRules, RuleError, parse_rules

NOT_STRICT = "this server evaluates no permissions: start it with `fargate-local serve --strict`"


class Admin:
    """``GET health, balancers, iam/used, stats``; ``GET, POST, DELETE faults``, ``DELETE faults/<id>``; ``POST codes``.

    ``GET rds/global-bundle.pem`` is what certificates of databases are verified with.

    ``balancers`` reports where listeners are; ``used`` what a strict server's roles did; ``new_code`` returns what lets
    a browser in, None where nothing has to; ``usage`` what running containers use; ``bundle`` RDS's authority.
    """

    def __init__(
        self,
        rules: FaultRules,
        balancers: Callable[[], list[dict[str, Any]]],
        used: Callable[[], list[dict[str, Any]]] | None,
        new_code: Callable[[], str | None],
        usage: Callable[[], list[dict[str, Any]]],
        bundle: Callable[[], bytes],
    ) -> None:
        self._rules = rules
        self._balancers = balancers
        self._used = used
        self._new_code = new_code
        self._usage = usage
        self._bundle = bundle

    def answer(self, request: CloudRequest) -> CloudResponse:
        """Answer one request."""
        name, _, rest = request.path.removeprefix("/_fargate/").strip("/").partition("/")
        if request.method == "GET":
            return self._read(f"{name}/{rest}".rstrip("/"))
        match (request.method, name, rest):
            case ("POST", "faults", ""):
                return self._add(request)
            case ("DELETE", "faults", ""):
                self._rules.clear()
                return reply(200, {"rules": []})
            case ("DELETE", "faults", number) if number.isdigit() and self._rules.remove(int(number)):
                return reply(200, {"rules": self._rules.listed()})
            case ("POST", "codes", ""):
                return reply(200, {"code": self._new_code()})
        return nothing(request.method, request.path)

    def _read(self, path: str) -> CloudResponse:
        match path:
            case "health":
                return reply(200, {"status": "ok"})
            case "faults":
                return reply(200, {"rules": self._rules.listed()})
            case "stats":
                return reply(200, {"containers": self._usage()})
            case "balancers":
                return reply(200, {"listeners": self._balancers()})
            case "rds/global-bundle.pem":
                return pem(self._bundle())
            case "iam/used":
                return reply(200, {"roles": self._used()}) if self._used else reply(404, {"message": NOT_STRICT})
        return nothing("GET", f"/_fargate/{path}")

    def _add(self, request: CloudRequest) -> CloudResponse:
        try:
            documents = json.loads(request.body)
            rules = parse_rules(documents if isinstance(documents, list) else [documents], "request")
        except RuleError as error:
            return reply(400, {"message": str(error)})
        except ValueError as error:
            return reply(400, {"message": f"the body must be a rule or a list of rules in JSON: {error}"})
        return reply(200, {"ids": [self._rules.add(rule) for rule in rules]})


def pem(body: bytes) -> CloudResponse:
    """Return a response with certificates."""
    headers = [("Content-Type", "application/x-pem-file"), ("Content-Length", str(len(body)))]
    return CloudResponse("200 OK", headers, [body])


def nothing(method: str, path: str) -> CloudResponse:
    """Return the response to a request for what is not there."""
    return reply(404, {"message": f"nothing at {method} {path}; see GET /_fargate/faults"})


def reply(status: int, content: dict[str, Any]) -> CloudResponse:
    """Return a response with `content` as its JSON body."""
    body = json.dumps(content).encode()
    words = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    return CloudResponse(
        f"{status} {words}", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], [body]
    )
