"""The admin endpoint under ``/_fargate/``: health, fault rules, load balancers, used permissions."""

import json
from collections.abc import Callable
from typing import Any

from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.faults.rules import FaultRules, RuleError, parse_rules

NOT_STRICT = "this server evaluates no permissions: start it with `fargate-local serve --strict`"


class Admin:
    """``GET health``; ``GET, POST, DELETE faults`` and ``DELETE faults/<id>``; ``GET balancers``.

    ``GET iam/used`` of a strict server.
    """

    def __init__(
        self,
        rules: FaultRules,
        balancers: Callable[[], list[dict[str, Any]]],
        used: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> None:
        self._rules = rules
        self._balancers = balancers
        self._used = used

    def answer(self, request: CloudRequest) -> CloudResponse:
        """Answer one request."""
        name, _, rest = request.path.removeprefix("/_fargate/").strip("/").partition("/")
        match (request.method, name, rest):
            case ("GET", "health", ""):
                return reply(200, {"status": "ok"})
            case ("GET", "faults", ""):
                return reply(200, {"rules": self._rules.listed()})
            case ("POST", "faults", ""):
                return self._add(request)
            case ("DELETE", "faults", ""):
                self._rules.clear()
                return reply(200, {"rules": []})
            case ("DELETE", "faults", number) if number.isdigit() and self._rules.remove(int(number)):
                return reply(200, {"rules": self._rules.listed()})
            case ("GET", "balancers", ""):
                return reply(200, {"listeners": self._balancers()})
            case ("GET", "iam", "used"):
                if self._used is None:
                    return reply(404, {"message": NOT_STRICT})
                return reply(200, {"roles": self._used()})
        return reply(404, {"message": f"nothing at {request.method} {request.path}; see GET /_fargate/faults"})

    def _add(self, request: CloudRequest) -> CloudResponse:
        try:
            documents = json.loads(request.body)
            rules = parse_rules(documents if isinstance(documents, list) else [documents], "request")
        except RuleError as error:
            return reply(400, {"message": str(error)})
        except ValueError as error:
            return reply(400, {"message": f"the body must be a rule or a list of rules in JSON: {error}"})
        return reply(200, {"ids": [self._rules.add(rule) for rule in rules]})


def reply(status: int, content: dict[str, Any]) -> CloudResponse:
    """Return a response with `content` as its JSON body."""
    body = json.dumps(content).encode()
    words = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    return CloudResponse(
        f"{status} {words}", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], [body]
    )
