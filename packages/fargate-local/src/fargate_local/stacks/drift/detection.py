"""The comparison of a stack with what there is, and what CloudFormation's calls tell of it.

API reference, DetectStackDrift, DetectStackResourceDrift, DescribeStackDriftDetectionStatus,
DescribeStackResourceDrifts (read November 2026). A comparison is over when its call returns.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from fargate_local.stacks.drift.differences import Difference, of_properties
from fargate_local.stacks.drift.reading import GoneError, Look, Read
from fargate_local.stacks.events import resources
from fargate_local.stacks.failures import reason_of
from fargate_local.stacks.kinds import Calls, Made, Properties
from fargate_local.stacks.resource import Resource

log = logging.getLogger(__name__)

Client = Callable[[str, str], Any]
Status = Literal["IN_SYNC", "MODIFIED", "DELETED", "NOT_CHECKED"]
COMPARABLE: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"}
)


@dataclass(frozen=True, slots=True)
class ResourceDrift:
    """One resource, and what differs; `actual` are the properties that its service tells of."""

    resource: Resource
    status: Status
    checked_at: datetime
    differences: tuple[Difference, ...] = ()
    actual: Properties | None = None
    problem: str = ""

    def shown(self, stack_id: str) -> dict[str, Any]:
        """Return it as DescribeStackResourceDrifts does."""
        about = {
            "StackId": stack_id,
            "LogicalResourceId": self.resource.logical_id,
            "PhysicalResourceId": self.resource.physical_id,
            "ResourceType": self.resource.type,
            "StackResourceDriftStatus": self.status,
            "Timestamp": self.checked_at,
        }
        if self.status == "NOT_CHECKED":
            return about
        return {
            **about,
            "ExpectedProperties": json.dumps(self.resource.document["Properties"]),
            **({"ActualProperties": json.dumps(self.actual, default=str)} if self.actual is not None else {}),
            "PropertyDifferences": [each.shown() for each in self.differences],
        }


@dataclass(frozen=True, slots=True)
class Detection:
    """One comparison of a stack."""

    ident: str
    checked_at: datetime
    found: tuple[ResourceDrift, ...]

    @property
    def drifted(self) -> int:
        """How many resources differ."""
        return sum(each.status in ("MODIFIED", "DELETED") for each in self.found)

    @property
    def problems(self) -> dict[str, str]:
        """What kept resources from being compared, by logical id."""
        return {each.resource.logical_id: each.problem for each in self.found if each.problem}

    @property
    def status(self) -> str:
        """What became of the stack as a whole."""
        return "DRIFTED" if self.drifted else "IN_SYNC"


@dataclass(frozen=True, slots=True)
class Detector:
    """Compares resources with what their services tell."""

    client: Client
    readings: Mapping[str, Read]

    def of_stack(self, stack: Any, ident: str, now: datetime, others: Iterable[Any]) -> Detection:
        """Compare all resources of a stack; `others` are all stacks of its region."""
        everywhere = [each for other in others for each in resources(other).values()]
        found = (self.of_resource(stack, each, now, everywhere) for each in resources(stack).values())
        return Detection(ident, now, tuple(found))

    def of_resource(self, stack: Any, resource: Resource, now: datetime, everywhere: list[Resource]) -> ResourceDrift:
        """Compare one resource; `everywhere` are those of all stacks."""
        read = self.readings.get(resource.type)
        if read is None or not isinstance(resource.thing, Made):
            return ResourceDrift(resource, "NOT_CHECKED", now)
        wanted = resource.document["Properties"]
        calls = Calls(stack.region_name, stack.account_id, self.client)

        def others(kind: str) -> Iterator[Properties]:
            return (each.document["Properties"] for each in everywhere if each.type == kind)

        try:
            actual = read(Look(calls, resource.physical_id, wanted, resource.thing, others))
        except GoneError:
            return ResourceDrift(resource, "DELETED", now)
        except Exception as error:
            log.warning("%s of stack %s could not be compared", resource.logical_id, stack.name, exc_info=error)
            return ResourceDrift(resource, "NOT_CHECKED", now, problem=reason_of(error))
        differences = tuple(of_properties(wanted, actual))
        return ResourceDrift(resource, "MODIFIED" if differences else "IN_SYNC", now, differences, actual)
