"""Where tasks run: the subnets and security groups of the network stack."""

from dataclasses import dataclass
from functools import cache

from datavision.aws import Cloud, client
from datavision.config import Ecs
from datavision.errors import ConfigError


@dataclass(frozen=True)
class Network:
    """Private subnets, in order, and security groups."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]

    def subnet(self, launch: int) -> str:
        """Return the subnet of launch 1, 2, …: each launch takes the next one."""
        return self.subnets[(launch - 1) % len(self.subnets)]


def network(cloud: Cloud, ecs: Ecs) -> Network:
    """Return the network of an environment: from its configuration, else from its stack's outputs.

    Raises:
        ConfigError: Neither names subnets and security groups.
    """
    if ecs.subnets and ecs.security_groups:
        return Network(ecs.subnets, ecs.security_groups)
    found = _from_stack(cloud, ecs.network_stack)
    return Network(ecs.subnets or found.subnets, ecs.security_groups or found.security_groups)


@cache
def _from_stack(cloud: Cloud, stack: str) -> Network:
    from botocore.exceptions import ClientError

    try:
        described = client(cloud, "cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except (ClientError, IndexError) as error:
        raise ConfigError(
            f"The network stack {stack!r} cannot be read ({error}). "
            "Deploy infra/ first, or set ecs.subnets and ecs.security_groups."
        ) from error
    outputs = {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}
    try:
        subnets = tuple(part.strip() for part in outputs["PrivateSubnets"].split(",") if part.strip())
        return Network(subnets, (outputs["TaskSecurityGroup"],))
    except KeyError as missing:
        raise ConfigError(
            f"The stack {stack!r} has no output {missing}. Deploy this repository's infra/, "
            "or set ecs.subnets and ecs.security_groups."
        ) from None
