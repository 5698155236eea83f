"""Policy documents, and what they say together about a request.

Rules: IAM user guide, "Policy evaluation logic" and "Determining whether a request is allowed or denied within an
account" (read November 2026). Everything here is a function of its arguments.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from fargate_local.strict.conditions import Condition, UnknownOperatorError, parse_conditions
from fargate_local.strict.patterns import UnknownVariableError, action_matches, arn_matches, resolved

RESOURCE_TAG: Final = "resourcetag/"

Grant = Literal["direct", "role", "account"]
"""A resource policy names a principal itself, the role of its session, or its account: only the first two grant."""


def no_tags() -> dict[str, str]:
    """Return no tags: the default of a need."""
    return {}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `arn` is what messages name, `identity` the user or role whose policies count."""

    arn: str
    identity: str
    account: str
    kind: Literal["User", "AssumedRole", "Service"] = "AssumedRole"
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a call takes. `tags` are the resource's, asked for only where a condition wants them."""

    action: str
    resource: str = "*"
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tags: Callable[[], dict[str, str]] = no_tags

    def lookup(self, principal: Principal) -> Callable[[str], tuple[str, ...] | None]:
        """Return a function from a condition key, in any case, to its values in this request, or None."""
        known = {key.lower(): values for key, values in (principal.context | self.context).items()}

        def find(key: str) -> tuple[str, ...] | None:
            name = key.lower()
            if name in known:
                return known[name]
            _, _, tag = name.partition(RESOURCE_TAG)
            if tag and RESOURCE_TAG in name:
                tags = {tag.lower(): value for tag, value in self.tags().items()}
                return (tags[tag],) if tag in tags else None
            return None

        return find


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy. `policy` and `number` say where it stands."""

    policy: str
    number: int
    sid: str
    allows: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    not_principals: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]

    @property
    def label(self) -> str:
        """The statement's name for people."""
        return self.sid or f"statement {self.number}"

    def applies(self, need: Need, lookup: Callable[[str], tuple[str, ...] | None]) -> bool:
        """Return whether the statement covers the action and the resource, and its conditions hold."""
        if self.not_actions:
            if any(action_matches(pattern, need.action) for pattern in self.not_actions):
                return False
        elif not any(action_matches(pattern, need.action) for pattern in self.actions):
            return False
        if self.not_resources:
            if any(self._covers(pattern, need, lookup) for pattern in self.not_resources):
                return False
        elif self.resources and not any(self._covers(pattern, need, lookup) for pattern in self.resources):
            return False
        try:
            return all(condition.holds(lookup) for condition in self.conditions)
        except UnknownOperatorError:
            # IAM would not have taken the policy. What cannot be read allows nothing and denies all it names.
            return not self.allows

    @staticmethod
    def _covers(pattern: str, need: Need, lookup: Callable[[str], tuple[str, ...] | None]) -> bool:
        try:
            return arn_matches(resolved(pattern, lookup), need.resource)
        except UnknownVariableError:
            return False

    def grants_to(self, principal: Principal) -> Grant | None:
        """Return how the statement, of a resource policy, names the caller; None when it does not."""
        if self.not_principals:
            return None if any(names(*each, principal) for each in self.not_principals) else "direct"
        grants = [grant for each in self.principals if (grant := names(*each, principal))]
        order: tuple[Grant, ...] = ("direct", "role", "account")
        return next((grant for grant in order if grant in grants), None)


def names(kind: str, value: str, principal: Principal) -> Grant | None:
    """Return how one entry of a Principal element names the caller; None when it does not."""
    if kind == "*" or (kind == "AWS" and value == "*"):
        return "direct"
    if kind == "Service":
        return "direct" if principal.kind == "Service" and value == principal.identity else None
    if kind != "AWS" or principal.kind == "Service":
        return None
    if value == principal.arn:
        return "direct"
    if value == principal.identity:
        return "role" if principal.kind == "AssumedRole" else "direct"
    return "account" if value in (principal.account, f"arn:aws:iam::{principal.account}:root") else None


def as_tuple(value: Any) -> tuple[str, ...]:
    """Return a text, a list of texts or None as a tuple of texts."""
    if value is None:
        return ()
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)


def parse_principals(element: Any) -> tuple[tuple[str, str], ...]:
    """Return the (kind, value) pairs of a Principal element; `*` is a kind of its own."""
    if element is None:
        return ()
    if not isinstance(element, dict):
        return tuple(("*", value) if value == "*" else ("AWS", value) for value in as_tuple(element))
    return tuple((kind, value) for kind, values in element.items() for value in as_tuple(values))


@lru_cache(maxsize=2048)
def parse_policy(name: str, document: str) -> tuple[Statement, ...]:
    """Parse a policy into its statements; none when the text is not a policy."""
    try:
        content = json.loads(document)
    except ValueError:
        return ()
    found = content.get("Statement", []) if isinstance(content, dict) else []
    return tuple(
        Statement(
            policy=name,
            number=number,
            sid=str(each.get("Sid", "")),
            allows=each.get("Effect") == "Allow",
            actions=as_tuple(each.get("Action")),
            not_actions=as_tuple(each.get("NotAction")),
            resources=as_tuple(each.get("Resource")),
            not_resources=as_tuple(each.get("NotResource")),
            principals=parse_principals(each.get("Principal")),
            not_principals=parse_principals(each.get("NotPrincipal")),
            conditions=parse_conditions(each.get("Condition", {})),
        )
        for number, each in enumerate(found if isinstance(found, list) else [found], 1)
    )


@dataclass(frozen=True, slots=True)
class Policies:
    """All that is said about a request.

    `boundary`, `session` and `endpoint` (a VPC endpoint's) limit and do not grant; None means that there is none. With
    `must_trust` the resource policy has the last word: roles (`sts:AssumeRole`) and KMS keys.
    """

    identity: tuple[Statement, ...] = ()
    boundary: tuple[Statement, ...] | None = None
    session: tuple[Statement, ...] | None = None
    resource: tuple[Statement, ...] | None = None
    endpoint: tuple[Statement, ...] | None = None
    must_trust: bool = False
    resource_kind: str = "resource-based policy"


@dataclass(frozen=True, slots=True)
class Decision:
    """`because` ends AWS's sentence about a refusal; `granted_by` are the identity statements that allowed."""

    allowed: bool
    because: str = ""
    granted_by: tuple[Statement, ...] = ()


def decide(principal: Principal, need: Need, policies: Policies) -> Decision:
    """Decide whether the caller may: an explicit Deny wins, and what no policy allows is refused."""
    lookup = need.lookup(principal)

    def said(statements: Iterable[Statement] | None, *, allow: bool) -> Iterator[Statement]:
        return (each for each in statements or () if each.allows is allow and each.applies(need, lookup))

    denials = (
        ("an identity-based policy", bool([*said(policies.identity, allow=False)])),
        ("a permissions boundary", bool([*said(policies.boundary, allow=False)])),
        ("a session policy", bool([*said(policies.session, allow=False)])),
        (f"a {policies.resource_kind}", any(e.grants_to(principal) for e in said(policies.resource, allow=False))),
    )
    if where := next((where for where, denied in denials if denied), None):
        return Decision(False, f"with an explicit deny in {where}")
    if policies.endpoint is not None and (because := stopped_at_endpoint(principal, need, policies.endpoint)):
        return Decision(False, because)
    grants = {each.grants_to(principal) for each in said(policies.resource, allow=True)}
    granted_by = tuple(said(policies.identity, allow=True))
    if policies.must_trust and not grants - {None}:
        return Decision(False, nobody(policies.resource_kind, need))
    if "direct" in grants:
        return Decision(True, granted_by=granted_by)
    if not granted_by and "role" not in grants:
        return Decision(False, nobody("identity-based policy", need))
    for kind, limit in (("permissions boundary", policies.boundary), ("session policy", policies.session)):
        if limit is not None and not any(said(limit, allow=True)):
            return Decision(False, nobody(kind, need))
    return Decision(True, granted_by=granted_by)


def stopped_at_endpoint(principal: Principal, need: Need, statements: Iterable[Statement]) -> str:
    """Return why the policy of a VPC endpoint lets a request not through; empty when it does.

    PrivateLink guide, "Control access to VPC endpoints using endpoint policies" (November 2026): it grants nothing.
    """
    lookup = need.lookup(principal)
    said = {each.allows for each in statements if each.grants_to(principal) and each.applies(need, lookup)}
    if False in said:
        return "with an explicit deny in a VPC endpoint policy"
    return "" if True in said else nobody("VPC endpoint policy", need)


def nobody(kind: str, need: Need) -> str:
    """Return the end of AWS's sentence where nothing allows an action."""
    return f"because no {kind} allows the {need.action} action"


def patterns_used(statement: Statement, need: Need, principal: Principal) -> tuple[list[str], list[str]]:
    """Return the patterns, of actions and of resources, of an Allow statement that a granted need made use of."""
    lookup = need.lookup(principal)
    actions = [pattern for pattern in statement.actions if action_matches(pattern, need.action)]
    resources = []
    for pattern in statement.resources:
        try:
            if arn_matches(resolved(pattern, lookup), need.resource):
                resources.append(pattern)
        except UnknownVariableError:
            continue
    return actions, resources
