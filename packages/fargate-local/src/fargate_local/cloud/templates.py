"""What a CloudFormation template wants of the services of ECS."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What a template wants of one service; `properties` are those of AWS::ECS::Service."""

    region: str
    action: Literal["create", "update", "delete"]
    name: str
    properties: dict[str, Any]
