"""Permission for every call, by the credentials that sign it. The server's own key is the account's root user."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.engine.records import Records
from fargate_local.guard import refused
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.protocol.plan import TaskPlan
from fargate_local.signature import read_claim
from fargate_local.strict import account, s3_calls, services
from fargate_local.strict.calls import Call
from fargate_local.strict.denial import denied, sentence
from fargate_local.strict.ecs_calls import ecs
from fargate_local.strict.network import ENDPOINT_NAMES, Network, Way
from fargate_local.strict.policy import Decision, Need, Principal, decide, parse_policy
from fargate_local.strict.used import Ledger

FREE: Final = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken", "sts:GetAccessKeyInfo"})
"""What nobody needs a permission for, and no policy can deny (STS API reference, GetCallerIdentity)."""

SERVICES: Final[dict[str, Callable[[Call], Iterator[Need]]]] = {
    "cloudformation": services.cloudformation,
    "ecr": services.ecr,
    "ecs": ecs,
    "events": services.events,
    "iam": services.iam,
    "kms": services.kms,
    "logs": services.logs,
    "monitoring": services.monitoring,
    "s3": s3_calls.s3,
    "secretsmanager": services.secretsmanager,
    "sns": services.sns,
    "sqs": services.sqs,
    "ssm": services.ssm,
    "sts": services.sts,
}


@dataclass(frozen=True, slots=True)
class Denial:
    """A permission that is missing. `str()` is AWS's sentence."""

    principal: Principal
    need: Need
    because: str

    def __str__(self) -> str:
        return sentence(self.principal, self.need, self.because)


class Authorizer:
    """Answers a call that may not be made; keeps count of those that may.

    `caller` gives (role, task id) of a running task's access key; `task_behind` the task that made a call, by the port
    that its connection comes from and by the key that it is signed with.
    """

    def __init__(
        self,
        root_key: str,
        caller: Callable[[str], tuple[str, str] | None],
        records: Records,
        task_behind: Callable[[int, str], TaskPlan | None],
    ) -> None:
        self._root_key = root_key
        self._caller = caller
        self._records = records
        self._task_behind = task_behind
        self._network = Network()
        self.ledger = Ledger()

    def refusal(self, request: CloudRequest) -> CloudResponse | None:
        """Return the error for a call that its signer may not make; None when the call may pass."""
        claim = read_claim(request)
        if claim is None or claim.access_key_id == self._root_key:
            return None
        found = self._principal(claim.access_key_id)
        if found is None:
            return refused(request, "InvalidClientTokenId", claim)
        principal, session = found
        call = Call(request, claim.service.lower(), self._tags_of_task)
        way = self._way(call, claim.access_key_id)
        for need in needs_of(call):
            if denial := self.denial(principal, need, session, way):
                return denied(call, str(denial))
        return self._hidden(call, principal, session, way)

    def denial(
        self, principal: Principal, need: Need, session: str | None = None, way: Way | None = None
    ) -> Denial | None:
        """Return why a principal lacks a permission, None when it has it; the ledger counts either."""
        if need.action in FREE:
            return None
        asked, decision = self._decided(principal, need, session, way)
        self.ledger.note(principal, asked, decision)
        return None if decision.allowed else Denial(principal, need, decision.because)

    def objection(self, access_key_id: str, need: Need) -> str | None:
        """Return AWS's sentence when the holder of an access key lacks a permission; the ledger counts either."""
        if access_key_id == self._root_key:
            return None
        found = self._principal(access_key_id)
        if found is None:
            return f"The access key {access_key_id} is none of this account's."
        principal, session = found
        denial = self.denial(principal, need, session)
        return str(denial) if denial else None

    def allows(self, principal: Principal, need: Need, session: str | None = None, way: Way | None = None) -> bool:
        """Return whether a principal has a permission, uncounted: for what AWS only looks up."""
        return self._decided(principal, need, session, way)[1].allowed

    @staticmethod
    def _decided(principal: Principal, need: Need, session: str | None, way: Way | None) -> tuple[Need, Decision]:
        """Return the need with its circumstances, and the decision; `way` is the VPC endpoint that it came through."""
        asked = replace(need, context={**surroundings(need, way), **need.context})
        policies = account.policies_for(principal, need.action, need.resource, session)
        if way:
            policies = replace(policies, endpoint=parse_policy(way.endpoint, way.policy))
        return asked, decide(principal, asked, policies)

    def _way(self, call: Call, access_key: str) -> Way | None:
        """Return the VPC endpoint that a call went through, if a task made it."""
        plan = self._task_behind(call.request.peer, access_key)
        return self._network.way(plan, ENDPOINT_NAMES.get(call.service, call.service)) if plan else None

    def _hidden(self, call: Call, principal: Principal, session: str | None, way: Way | None) -> CloudResponse | None:
        """Return S3's 403 for a missing object in a bucket that the caller may not list (GetObject), else None."""
        named = s3_calls.reads_one_object(call.request) if call.service == "s3" else None
        if named is None or account.bucket_named(named[0]) is None or account.has_object(*named):
            return None
        need = Need("s3:ListBucket", f"arn:aws:s3:::{named[0]}")
        if self.allows(principal, need, session, way):
            # Made use of: the answer would have been another without it.
            self.denial(principal, need, session, way)
            return None
        return denied(
            call, sentence(principal, need, "because no identity-based policy allows the s3:ListBucket action")
        )

    def _principal(self, access_key: str) -> tuple[Principal, str | None] | None:
        if task := self._caller(access_key):
            return account.role_session(*task), None
        return account.holder_of(access_key)

    def _tags_of_task(self, arn: str) -> dict[str, str]:
        found = self._records.find([arn]).get(arn)
        return account.as_mapping(json.loads(found[1])) if found else {}


def needs_of(call: Call) -> list[Need]:
    """Return all permissions that a call takes."""
    mapped = SERVICES.get(call.service)
    return (list(mapped(call)) if mapped else []) or [call.need()]


def surroundings(need: Need, way: Way | None = None) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that every request has; loopback counts as TLS.

    IAM user guide, "aws:SourceIp": what comes through a VPC endpoint has none, but those of `way`.
    """
    now = time.time()
    parts = need.resource.split(":")
    return {
        "aws:CurrentTime": (datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),),
        "aws:EpochTime": (str(int(now)),),
        "aws:ResourceAccount": (parts[4] if len(parts) > 4 and parts[4] else ACCOUNT,),
        "aws:SecureTransport": ("true",),
        **(way.context if way else {"aws:SourceIp": ("127.0.0.1",)}),
        "aws:ViaAWSService": ("false",),
        "aws:PrincipalIsAWSService": ("false",),
    }
