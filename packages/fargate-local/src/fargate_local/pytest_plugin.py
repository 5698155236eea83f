"""Pytest fixtures of fargate-local: `fargate`, a cloud for the whole session, and `fargate_faults`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fargate_local.embedded import FargateLocal


@pytest.fixture(scope="session")
def fargate() -> Iterator["FargateLocal"]:
    """Run a cloud for the session: `boto3.client("ecs", **fargate.client_args)`."""
    # Imported here because every pytest run of an environment with fargate-local loads this plugin.
    from fargate_local.embedded import FargateLocal

    with FargateLocal() as cloud:
        yield cloud


@pytest.fixture
def fargate_faults(fargate: "FargateLocal") -> Iterator[Any]:
    """Add fault rules for one test: `fargate_faults("capacity", times=1)`; they are removed after it."""
    added: list[int] = []

    def add(fault: str, **rule: Any) -> int:
        added.append(fargate.add_fault(fault, **rule))
        return added[-1]

    yield add
    for number in added:
        fargate.remove_fault(number)
