"""What a service is linked to, checked as ECS checks it: target groups of load balancers, services of Cloud Map.

Texts: those that users quote in hashicorp/terraform#32908 and #24266, pulumi/pulumi-aws#3095 and aws/amazon-ecs-cli#21
(read November 2026).
"""

from typing import Any

from fargate_local.cloud.catalog import Catalog
from fargate_local.protocol.errors import InvalidParameterError


def check_load_balancers(
    catalog: Catalog, region: str, wanted: list[dict[str, Any]], definition: dict[str, Any]
) -> None:
    """Check that target groups can take a definition's tasks.

    Raises:
        InvalidParameterError: One cannot, or the definition has no such container and port.
    """
    for each in wanted:
        check_port(definition, each)
        arn = each.get("targetGroupArn")
        if not arn:
            message = f"The load balancer {each.get('loadBalancerName')} does not exist."
            raise InvalidParameterError(message)
        group = catalog.target_group(region, arn)
        if group is None:
            message = (
                "Unable to assume role and validate the specified targetGroupArn. Please verify that the ECS service"
                " role being passed has the proper permissions."
            )
            raise InvalidParameterError(message)
        if group["TargetType"] != "ip":
            message = (
                f"The provided target group {arn} has target type {group['TargetType']}, which is incompatible with the"
                " awsvpc network mode specified in the task definition."
            )
            raise InvalidParameterError(message)
        if not group["LoadBalancerArns"]:
            message = f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            raise InvalidParameterError(message)


def check_registries(catalog: Catalog, region: str, wanted: list[dict[str, Any]], definition: dict[str, Any]) -> None:
    """Check that services of Cloud Map can take a definition's tasks.

    Raises:
        InvalidParameterError: One does not exist, or the definition has no such container and port.
    """
    for each in wanted:
        if each.get("containerName"):
            check_port(definition, each)
        arn = each.get("registryArn", "")
        if not catalog.has_registry(region, arn):
            message = f"The service registry {arn} does not exist: name a service of Cloud Map by its ARN."
            raise InvalidParameterError(message)


def check_port(definition: dict[str, Any], link: dict[str, Any]) -> None:
    """Check that a definition has the container and the port that a link names.

    Raises:
        InvalidParameterError: It has not.
    """
    name, port = link.get("containerName"), link.get("containerPort")
    found = next((each for each in definition["containerDefinitions"] if each["name"] == name), None)
    if found is None:
        message = f"The container {name} does not exist in the task definition."
        raise InvalidParameterError(message)
    if port not in [each.get("containerPort") for each in found.get("portMappings", [])]:
        message = f"The container {name} did not have a container port {port} defined."
        raise InvalidParameterError(message)
