"""A request as permissions see it: the operation's name in any protocol, its parameters, its tags."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any, Final
from urllib.parse import parse_qsl

import botocore.session
from botocore.exceptions import BotoCoreError

from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.strict import account
from fargate_local.strict.policy import Need, no_tags

PREFIXES: Final = {
    "monitoring": "cloudwatch",
    "email": "ses",
    "tagging": "tag",
}
"""Names of services in policies, where they are not those in signatures."""
RPC_PATH: Final = re.compile(r"/service/[^/]+/operation/(\w+)")


@dataclass(frozen=True)
class Call:
    """A request as permissions see it."""

    request: CloudRequest
    service: str
    tags_of_task: Callable[[str], dict[str, str]] = field(default=lambda _: {})

    @property
    def region(self) -> str:
        """The region it was signed for."""
        return self.request.region

    @cached_property
    def operation(self) -> str:
        """The operation's name, in any protocol; `Unknown` where it is none of the service's."""
        if found := RPC_PATH.match(self.request.path):
            return found[1]
        return self.request.action or rest_operation(self.service, self.request.method, self.request.path)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The JSON body, or the flat fields of a query."""
        body = self.request.body
        if self.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            document = json.loads(body or b"{}")
        except ValueError:
            document = {}
        query = {name: values[0] for name, values in self.request.query.items()}
        return {**query, **(document if isinstance(document, dict) else {})}

    def text(self, *names: str) -> str:
        """Return the first of these parameters that is a text; empty when none is."""
        found = (self.parameters.get(name) for name in names)
        return next((value for value in found if isinstance(value, str) and value), "")

    def texts(self, name: str) -> list[str]:
        """Return a list of texts: in JSON, or `name.member.1` and `name.1` of a query."""
        value = self.parameters.get(name)
        if isinstance(value, list):
            return [each for each in value if isinstance(each, str)]
        flat = re.compile(rf"{name}\.(?:member\.)?\d+")
        return [text for key, text in self.parameters.items() if flat.fullmatch(key)]

    def arn(self, resource: str, *, region: str | None = None) -> str:
        """Return the ARN of a resource of this service, in the caller's region and account."""
        return f"arn:aws:{self.service}:{self.region if region is None else region}:{ACCOUNT}:{resource}"

    def need(
        self,
        resource: str = "*",
        keys: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        action: str = "",
        tags: Callable[[], dict[str, str]] | None = None,
    ) -> Need:
        """Return the permission for this operation, or for `action`, on a resource; `keys` are of conditions."""
        name = action or f"{PREFIXES.get(self.service, self.service)}:{self.operation}"
        given = {key: value if isinstance(value, tuple) else (value,) for key, value in (keys or {}).items()}
        known = no_tags if resource == "*" else partial(account.tags_of, resource)
        context = {"aws:RequestedRegion": (self.region,), **tag_context(self.parameters), **given}
        return Need(name, resource, context, tags or known)


def tag_context(parameters: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return `aws:RequestTag` and `aws:TagKeys` of a request that sets tags; empty for any other."""
    given = parameters.get("tags", parameters.get("Tags"))
    tags = account.as_mapping(given) if isinstance(given, list | dict) else flat_tags(parameters)
    if not tags:
        return {}
    return {"aws:TagKeys": tuple(tags), **{f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}}


def flat_tags(parameters: dict[str, Any]) -> dict[str, str]:
    """Return the tags in the fields of a query: `Tags.member.1.Key`, `Tags.member.1.Value`."""
    keys = {
        name.removesuffix(".Key"): value
        for name, value in parameters.items()
        if name.endswith(".Key") and name.startswith(("Tag", "tag"))
    }
    return {value: str(parameters.get(f"{name}.Value", "")) for name, value in keys.items()}


@lru_cache(maxsize=64)
def rest_routes(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Return (method, path, operation) of a REST service, longer paths first, as botocore describes them."""
    session = botocore.session.Session()
    try:
        model = session.get_service_model(service)
    except BotoCoreError:
        return ()
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/") or "/"
        pattern = re.sub(r"\\\{[^}]*\+\\\}", ".+", re.escape(path))
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", pattern)
        found.append((http["method"], re.compile(f"{pattern}/?"), name))
    return tuple(sorted(found, key=lambda route: -len(route[1].pattern)))


def rest_operation(service: str, method: str, path: str) -> str:
    """Return the operation behind a method and a path; `Unknown` when the service has none there."""
    routes = rest_routes(service)
    return next((name for verb, route, name in routes if verb == method and route.fullmatch(path)), "Unknown")


def pass_role(roles: Iterable[str], service: str) -> Iterator[Need]:
    """Yield the `iam:PassRole` that handing each of these roles to a service takes."""
    for role in dict.fromkeys(roles):
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT}:role/{role}"
        yield Need("iam:PassRole", arn, {"iam:PassedToService": (service,)}, partial(account.tags_of, arn))
