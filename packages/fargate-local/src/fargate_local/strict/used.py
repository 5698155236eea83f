"""What permissions were made use of: by whom, for what, and what was granted for nothing."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from fargate_local.strict import account
from fargate_local.strict.policy import Decision, Need, Principal, Statement, patterns_used

Place = tuple[str, int, str]
"""A pattern of a statement: the policy, the statement's number, the pattern."""


class Ledger:
    """Counts since the server's start. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, Counter[tuple[str, str, bool]]] = defaultdict(Counter)
        self._actions: dict[str, set[Place]] = defaultdict(set)
        self._resources: dict[str, set[Place]] = defaultdict(set)

    def note(self, principal: Principal, need: Need, decision: Decision) -> None:
        """Count one permission that was asked for, and what granted it."""
        who = principal.identity
        with self._lock:
            self._calls[who][need.action, need.resource, decision.allowed] += 1
            if not decision.allowed:
                return
            for statement in decision.granted_by:
                actions, resources = patterns_used(statement, need, principal)
                self._actions[who] |= {(statement.policy, statement.number, pattern) for pattern in actions}
                self._resources[who] |= {(statement.policy, statement.number, pattern) for pattern in resources}

    def report(self) -> list[dict[str, Any]]:
        """Return what each role of the account `used`, was `refused`, and was granted but left `unused`."""
        iam = account.backend("iam")
        roles = sorted(iam.roles.values(), key=lambda role: str(role.name)) if iam else []
        with self._lock:
            return [self._of(role.arn, account.statements_of(role)) for role in roles]

    def _of(self, arn: str, statements: Iterable[Statement]) -> dict[str, Any]:
        calls = self._calls.get(arn, Counter())
        return {
            "role": arn,
            "used": listed(calls, allowed=True),
            "refused": listed(calls, allowed=False),
            "unused": [
                {"policy": each.policy, "statement": each.label, "actions": actions, "resources": resources}
                for each in statements
                if each.allows
                for actions, resources in [
                    (
                        self._idle(arn, each, each.actions, self._actions),
                        self._idle(arn, each, each.resources, self._resources),
                    )
                ]
                if actions or resources
            ],
        }

    @staticmethod
    def _idle(arn: str, statement: Statement, patterns: Iterable[str], used: dict[str, set[Place]]) -> list[str]:
        known = used.get(arn, set())
        return [pattern for pattern in patterns if (statement.policy, statement.number, pattern) not in known]


def listed(calls: Counter[tuple[str, str, bool]], *, allowed: bool) -> list[dict[str, Any]]:
    """Return actions with their resources and how often they were asked for, the most frequent first."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (action, resource, was_allowed), count in calls.items():
        if was_allowed is allowed:
            found[action][resource] = count
    return [
        {"action": action, "times": sum(resources.values()), "resources": sorted(resources)}
        for action, resources in sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    ]
