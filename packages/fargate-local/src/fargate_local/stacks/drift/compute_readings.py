"""What ECS, its scaling and Step Functions tell."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fargate_local.protocol.arns import last_part
from fargate_local.stacks.compute_kinds import target_parts
from fargate_local.stacks.drift.reading import Described, GoneError, Look, Read, asked, own_tags
from fargate_local.stacks.kinds import Properties

Service = Callable[[str], Mapping[str, Any] | None]
"""Returns what DescribeServices says of a service, given its ARN."""


def cluster_tags(look: Look, thing: dict[str, Any]) -> Properties:
    """Return the settings of a cluster."""
    return asked(look, ClusterSettings=lambda: thing.get("settings"))


def definition(look: Look) -> Properties:
    """Return a task definition.

    Raises:
        GoneError: It has been deregistered.
    """
    answer = look.call("ecs", "DescribeTaskDefinition", taskDefinition=look.ident, include=["TAGS"])
    told = {name.lower(): value for name, value in answer["taskDefinition"].items()}
    if told["status"] == "INACTIVE":
        raise GoneError
    found = {name: told.get(name.lower()) for name in look.wanted if name != "Tags"}
    return {**found, **asked(look, Tags=lambda: own_tags(answer.get("tags")))}


UNREAD_OF_SERVICES = frozenset({"Cluster", "DesiredCount", "PlatformVersion", "ServiceName", "Tags"})


def service(describe: Service, look: Look) -> Properties:
    """Return a service, by the names of its template.

    Raises:
        GoneError: There is none.
    """
    found = describe(look.ident)
    if not found or found["status"] != "ACTIVE":
        raise GoneError
    told = {name.lower(): value for name, value in {**found["deployments"][0], **found}.items()}
    running = str(found["deployments"][0]["taskDefinition"])
    told["taskdefinition"] = running if str(look.wanted["TaskDefinition"]).startswith("arn:") else last_part(running)
    known = {name: told[name.lower()] for name in look.wanted if name.lower() in told}
    names = {name: value for name, value in known.items() if name not in UNREAD_OF_SERVICES}
    return {**names, "DesiredCount": found["desiredCount"]}


def scalable_target(look: Look) -> Properties:
    """Return a target of Application Auto Scaling.

    Raises:
        GoneError: There is none.
    """
    parts = target_parts(look.made)
    which = {"ServiceNamespace": parts["ServiceNamespace"], "ResourceIds": [parts["ResourceId"]]}
    answer = look.call("application-autoscaling", "DescribeScalableTargets", **which)
    for each in answer["ScalableTargets"]:
        if each["ScalableDimension"] == parts["ScalableDimension"]:
            return {name: each[name] for name in ("MinCapacity", "MaxCapacity")}
    raise GoneError


def compute_readings(describe: Service) -> dict[str, Read]:
    """Return these readings; services are described by `describe`."""
    return {
        "AWS::ECS::Cluster": Described(
            "ecs",
            "DescribeClusters",
            "clusters[]",
            "clusters.0",
            given={"include": ["SETTINGS", "TAGS", "CONFIGURATIONS"]},
            more=cluster_tags,
            gone=lambda thing: thing["status"] == "INACTIVE",
        ),
        "AWS::ECS::TaskDefinition": definition,
        "AWS::ECS::Service": partial(service, describe),
        "AWS::ApplicationAutoScaling::ScalableTarget": scalable_target,
        "AWS::StepFunctions::StateMachine": Described(
            "stepfunctions",
            "DescribeStateMachine",
            "stateMachineArn",
            renamed={"StateMachineName": "name", "StateMachineType": "type"},
            unread=frozenset({"Definition", "DefinitionString", "DefinitionSubstitutions"}),
        ),
    }
