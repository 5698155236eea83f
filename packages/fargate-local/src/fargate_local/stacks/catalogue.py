"""All kinds of resources that stacks make here; the rest of what moto's CloudFormation knows is made by moto."""

from typing import Any

from fargate_local.stacks.access_kinds import ACCESS
from fargate_local.stacks.compute_kinds import Wish, compute
from fargate_local.stacks.kinds import Unmade
from fargate_local.stacks.message_kinds import MESSAGES
from fargate_local.stacks.network_kinds import NETWORK
from fargate_local.stacks.storage_kinds import STORAGE
from fargate_local.stacks.vpc_kinds import VPC

NOTHING = ("AWS::CDK::Metadata", "AWS::CloudFormation::WaitConditionHandle")


def catalogue(wish: Wish) -> dict[str, Any]:
    """Return the kinds by type; what templates want of services goes to `wish`."""
    unmade = map(Unmade, NOTHING)
    return {kind.type: kind for kind in (*STORAGE, *MESSAGES, *VPC, *NETWORK, *ACCESS, *compute(wish), *unmade)}
