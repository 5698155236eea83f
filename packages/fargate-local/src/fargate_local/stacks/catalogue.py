"""All kinds of resources that stacks make here; the rest of what moto's CloudFormation knows is made by moto."""

from typing import Any

from fargate_local.stacks.access_kinds import ACCESS
from fargate_local.stacks.bucket_kinds import BUCKETS
from fargate_local.stacks.compute_kinds import Wish, compute
from fargate_local.stacks.database_kinds import DATABASES
from fargate_local.stacks.group_kinds import GROUPS
from fargate_local.stacks.makers import Unmade
from fargate_local.stacks.message_kinds import MESSAGES
from fargate_local.stacks.network_kinds import NETWORK
from fargate_local.stacks.storage_kinds import STORAGE
from fargate_local.stacks.vpc_kinds import VPC

NOTHING = ("AWS::CDK::Metadata", "AWS::CloudFormation::WaitConditionHandle")


def catalogue(wish: Wish) -> dict[str, Any]:
    """Return the kinds by type; what templates want of services goes to `wish`."""
    unmade = map(Unmade, NOTHING)
    constant = (*BUCKETS, *STORAGE, *MESSAGES, *VPC, *GROUPS, *NETWORK, *ACCESS, *DATABASES)
    return {kind.type: kind for kind in (*constant, *compute(wish), *unmade)}
