"""CreateService and UpdateService checked, or rejected as ECS rejects them.

API references CreateService, UpdateService, DeploymentConfiguration, and the error texts that users quote (read
November 2026).
"""

import re
import secrets
from typing import Any, Final

from fargate_local.cloud.catalog import Catalog
from fargate_local.ecs.launch import Launch, check_run_task
from fargate_local.ecs.service_links import check_load_balancers, check_registries
from fargate_local.ecs.tags import check_tags
from fargate_local.protocol.arns import ACCOUNT, Names, last_part
from fargate_local.protocol.errors import InvalidParameterError

NAME: Final = re.compile(r"^[A-Za-z0-9_-]{1,255}\Z")
DESIRED_LIMIT: Final = 5000
LAUNCHED: Final = (
    "taskDefinition",
    "launchType",
    "capacityProviderStrategy",
    "networkConfiguration",
    "platformVersion",
)
"""Parameters of a service that are parameters of RunTask too."""
DEPLOYED: Final = (
    *LAUNCHED,
    *("loadBalancers", "serviceRegistries", "volumeConfigurations", "serviceConnectConfiguration"),
)
"""Parameters whose change is a new deployment (UpdateService, "triggers a new service deployment")."""
KEPT: Final = (
    *("enableECSManagedTags", "enableExecuteCommand", "healthCheckGracePeriodSeconds", "propagateTags"),
    *("availabilityZoneRebalancing", "deploymentConfiguration", "desiredCount"),
)
"""Parameters that hold from now on without one."""
DIGITS: Final = 19


def check_create(catalog: Catalog, region: str, request: dict[str, Any]) -> Launch:
    """Check a CreateService request and return the launch of one of its tasks.

    Raises:
        InvalidParameterError: ECS would reject it; the message is ECS's.
    """
    name = request.get("serviceName", "")
    if not NAME.match(name):
        message = "Service name must have 1 to 255 characters: letters, numbers, hyphens and underscores."
        raise InvalidParameterError(message)
    if request.get("schedulingStrategy", "REPLICA") != "REPLICA":
        message = "The daemon scheduling strategy is not supported with Fargate launch type."
        raise InvalidParameterError(message)
    if request.get("deploymentController", {}).get("type", "ECS") != "ECS":
        message = "Only the deployment controller ECS runs here: CODE_DEPLOY and EXTERNAL are not implemented."
        raise InvalidParameterError(message)
    if "desiredCount" not in request:
        message = "desiredCount must be specified for the REPLICA scheduling strategy."
        raise InvalidParameterError(message)
    check_tags(request.get("tags", []))
    check_counts(request)
    launch = check_run_task(catalog, region, launch_request(request, request))
    check_load_balancers(catalog, region, request.get("loadBalancers", []), launch.definition)
    check_registries(catalog, region, request.get("serviceRegistries", []), launch.definition)
    return launch


def check_counts(request: dict[str, Any]) -> None:
    """Check the desired count and how far a deployment may depart from it.

    Raises:
        InvalidParameterError: One is out of range.
    """
    if not 0 <= request.get("desiredCount", 0) <= DESIRED_LIMIT:
        message = f"desiredCount must be between 0 and {DESIRED_LIMIT}."
        raise InvalidParameterError(message)
    given = request.get("deploymentConfiguration", {})
    lowest, highest = given.get("minimumHealthyPercent", 100), given.get("maximumPercent", 200)
    if not 0 <= lowest <= 100:
        message = "minimumHealthyPercent must be between 0 and 100."
        raise InvalidParameterError(message)
    if not 100 <= highest <= 200:
        message = "maximumPercent must be between 100 and 200."
        raise InvalidParameterError(message)
    if lowest == highest:
        message = "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        raise InvalidParameterError(message)


def launch_request(service: dict[str, Any], deployment: dict[str, Any]) -> dict[str, Any]:
    """Return the RunTask request for tasks of a service's deployment, without their tags, group and origin."""
    request = {name: deployment[name] for name in LAUNCHED if deployment.get(name)}
    request["cluster"] = last_part(service.get("clusterArn") or service.get("cluster") or "default")
    for name in ("enableExecuteCommand", "enableECSManagedTags"):
        if service.get(name):
            request[name] = True
    return request


def new_service(region: str, request: dict[str, Any], launch: Launch, now: float) -> dict[str, Any]:
    """Return the description of a service that has no task yet."""
    name = request["serviceName"]
    body = {
        "serviceArn": Names(region).service(launch.cluster_name, name),
        "serviceName": name,
        "clusterArn": launch.cluster["clusterArn"],
        "loadBalancers": request.get("loadBalancers", []),
        "serviceRegistries": request.get("serviceRegistries", []),
        "status": "ACTIVE",
        "desiredCount": request["desiredCount"],
        "runningCount": 0,
        "pendingCount": 0,
        "deploymentConfiguration": deployment_configuration({}, request.get("deploymentConfiguration", {})),
        "deployments": [],
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "events": [],
        "createdAt": now,
        "placementConstraints": [],
        "placementStrategy": [],
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "createdBy": f"arn:aws:iam::{ACCOUNT}:root",
        "enableECSManagedTags": bool(request.get("enableECSManagedTags")),
        "enableExecuteCommand": bool(request.get("enableExecuteCommand")),
        "propagateTags": request.get("propagateTags", "NONE"),
        "availabilityZoneRebalancing": request.get("availabilityZoneRebalancing", "DISABLED"),
    }
    if "healthCheckGracePeriodSeconds" in request:
        body["healthCheckGracePeriodSeconds"] = request["healthCheckGracePeriodSeconds"]
    deploy(body, request, launch, now)
    return body


def deploy(body: dict[str, Any], changes: dict[str, Any], launch: Launch, now: float) -> None:
    """Put a new primary deployment before those that a service has."""
    deployment = {
        "id": "ecs-svc/" + "".join(secrets.choice("0123456789") for _ in range(DIGITS)),
        "status": "PRIMARY",
        **deployment_of(launch),
        "desiredCount": body["desiredCount"],
        "pendingCount": 0,
        "runningCount": 0,
        "failedTasks": 0,
        "createdAt": now,
        "updatedAt": now,
        "platformFamily": "Linux",
    }
    for earlier in body["deployments"]:
        earlier.update(status="ACTIVE", desiredCount=0, updatedAt=now)
    body["deployments"].insert(0, deployment)
    begin(deployment, f"ECS deployment {deployment['id']} in progress.")
    show_primary(body)
    body |= {name: changes[name] for name in ("loadBalancers", "serviceRegistries") if name in changes}


def deployment_of(launch: Launch) -> dict[str, Any]:
    """Return what a deployment shows of the launch of its tasks."""
    on: dict[str, Any] = {"launchType": "FARGATE"}
    if launch.strategy:
        shares = (
            {"capacityProvider": each.provider, "weight": each.weight, "base": each.base} for each in launch.strategy
        )
        on = {"capacityProviderStrategy": list(shares)}
    return {
        "taskDefinition": launch.definition["taskDefinitionArn"],
        "platformVersion": launch.platform_version,
        "networkConfiguration": launch.request["networkConfiguration"],
        **on,
    }


def begin(deployment: dict[str, Any], reason: str) -> None:
    """Say that a deployment is under way."""
    deployment["rolloutState"] = "IN_PROGRESS"
    deployment["rolloutStateReason"] = reason


def show_primary(body: dict[str, Any]) -> None:
    """Let a service show what its primary deployment runs."""
    primary = body["deployments"][0]
    for name in ("launchType", "capacityProviderStrategy"):
        body.pop(name, None)
    shown = ("taskDefinition", "platformVersion", "platformFamily", "networkConfiguration")
    body |= {name: primary[name] for name in (*shown, "launchType", "capacityProviderStrategy") if name in primary}


def deployment_configuration(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return a service's deployment configuration: what is given, then what is known, then the defaults."""
    return {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
        **known,
        **given,
    }
