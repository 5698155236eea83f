"""Resources that run things and what they run on: ECS, its scaling, file systems."""

import json
from collections.abc import Callable
from typing import Any, Final, Literal

from fargate_local.cloud.templates import ServiceWish
from fargate_local.ecs.definition import check_definition
from fargate_local.protocol.arns import Names, last_part
from fargate_local.protocol.shapes import fitted, input_shape
from fargate_local.stacks.kinds import Calls, Kind, Made, MustReplaceError, Properties
from fargate_local.stacks.matching import parameters

Wish = Callable[[ServiceWish], None]


def definition_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a task definition's properties for RegisterTaskDefinition, checked as that is.

    Raises:
        ClientError: ECS would refuse it.
    """
    given = {"Family": name, **properties}
    parameters(given, calls.input("ecs", "RegisterTaskDefinition"), {})
    wanted: dict[str, Any] = fitted({"ContainerDefinitions": [], **given}, input_shape("RegisterTaskDefinition"))
    check_definition(wanted)
    return wanted


def cluster_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a cluster's properties for CreateCluster."""
    return {"ClusterName": name, **properties}


def apply_cluster(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Change a cluster's capacity providers and settings."""
    if before is None:
        return
    ecs, which = calls("ecs"), {"cluster": made.physical_resource_id}
    strategy = ("CapacityProviders", "DefaultCapacityProviderStrategy")
    if any(properties.get(name) != before.get(name) for name in strategy):
        given = {name: properties.get(name, []) for name in strategy}
        ecs.put_cluster_capacity_providers(
            **which, **parameters(given, calls.input("ecs", "PutClusterCapacityProviders"), {})
        )
    rest = ("ClusterSettings", "Configuration", "ServiceConnectDefaults")
    if any(properties.get(name) != before.get(name) for name in rest):
        given = {name: properties[name] for name in rest if name in properties}
        shape = calls.input("ecs", "UpdateCluster")
        ecs.update_cluster(**which, **parameters(given, shape, {"ClusterSettings": "settings"}))


class Service:
    """AWS::ECS::Service: what its template wants is handed to those who keep services."""

    type: Final = "AWS::ECS::Service"
    tags: Final = "list"
    name: Final = "ServiceName"
    attributes: Final = {"ServiceArn": "", "Name": ""}

    def __init__(self, wish: Wish) -> None:
        self._wish = wish

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Ask for one; the stack waits until it is stable."""
        self._want(calls, "create", name, properties)
        arn = Names(calls.region).service(cluster_of(properties), name)
        return Made(arn, {"ServiceArn": arn, "Name": name}, waits=True, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Ask for a change of it.

        Raises:
            MustReplaceError: It is to be in another cluster.
        """
        if cluster_of(properties) != cluster_of(before):
            raise MustReplaceError
        self._want(calls, "update", made.name, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Ask for its end."""
        cluster = made.physical_resource_id.split("/")[-2]
        self._wish(ServiceWish(calls.region, "delete", made.name, {"Cluster": cluster}))

    def _want(self, calls: Calls, action: Literal["create", "update"], name: str, properties: Properties) -> None:
        parameters(properties, calls.input("ecs", "CreateService"), {})
        self._wish(ServiceWish(calls.region, action, name, properties))


def cluster_of(properties: Properties) -> str:
    """Return the name of a service's cluster."""
    return last_part(str(properties.get("Cluster", "default")))


class Providers:
    """AWS::ECS::ClusterCapacityProviderAssociations."""

    type: Final = "AWS::ECS::ClusterCapacityProviderAssociations"
    tags: Final = ""
    name: Final = "Cluster"
    attributes: Final[dict[str, str]] = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Associate a cluster with capacity providers."""
        shape = calls.input("ecs", "PutClusterCapacityProviders")
        given = {"DefaultCapacityProviderStrategy": [], **properties}
        calls("ecs").put_cluster_capacity_providers(**parameters(given, shape, {}))
        return Made(str(properties["Cluster"]), name=str(properties["Cluster"]))

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Associate it with others.

        Raises:
            MustReplaceError: It is another cluster.
        """
        if properties["Cluster"] != before["Cluster"]:
            raise MustReplaceError
        self.create(calls, made.name, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Let the cluster have none."""
        none: dict[str, Any] = {"capacityProviders": [], "defaultCapacityProviderStrategy": []}
        calls("ecs").put_cluster_capacity_providers(cluster=made.physical_resource_id, **none)


SCALED: Final = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def target_parts(made: Made) -> dict[str, str]:
    """Return how Application Auto Scaling names a target."""
    resource, dimension, namespace = made.physical_resource_id.split("|")
    return {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}


class ScalableTarget:
    """AWS::ApplicationAutoScaling::ScalableTarget."""

    type: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
    tags: Final = ""
    name: Final = ""
    attributes: Final = {"Id": ""}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Register it."""
        shape = calls.input("application-autoscaling", "RegisterScalableTarget")
        calls("application-autoscaling").register_scalable_target(**parameters(properties, shape, {}))
        ident = "|".join(str(properties[name]) for name in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        return Made(ident, {"Id": ident}, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Register it anew.

        Raises:
            MustReplaceError: It is another target.
        """
        if any(properties[name] != before[name] for name in SCALED):
            raise MustReplaceError
        self.create(calls, made.name, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Forget it."""
        calls("application-autoscaling").deregister_scalable_target(**target_parts(made))


class ScalingPolicy:
    """AWS::ApplicationAutoScaling::ScalingPolicy."""

    type: Final = "AWS::ApplicationAutoScaling::ScalingPolicy"
    tags: Final = ""
    name: Final = "PolicyName"
    attributes: Final = {"Arn": ""}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Put it."""
        given = self._given(properties)
        shape = calls.input("application-autoscaling", "PutScalingPolicy")
        answer = calls("application-autoscaling").put_scaling_policy(
            **parameters({**given, "PolicyName": name}, shape, {})
        )
        return Made(str(answer["PolicyARN"]), {"Arn": str(answer["PolicyARN"])}, name=name)

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Put it anew.

        Raises:
            MustReplaceError: It is of another target.
        """
        after = self._given(properties)
        if any(after[name] != self._given(before)[name] for name in SCALED):
            raise MustReplaceError
        self.create(calls, made.name, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Delete it."""
        given = self._given(made.of_stack.document["Properties"])
        about = {name: given[name] for name in SCALED}
        calls("application-autoscaling").delete_scaling_policy(**about, PolicyName=made.name)

    @staticmethod
    def _given(properties: Properties) -> Properties:
        given = {name: value for name, value in properties.items() if name != "ScalingTargetId"}
        if "ScalingTargetId" in properties:
            given |= target_parts(Made(str(properties["ScalingTargetId"])))
        return given


def state_machine_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a state machine's properties for CreateStateMachine, its definition as text."""
    renamed = {k: v for k, v in properties.items() if not k.startswith(("Definition", "StateMachine"))}
    text = properties.get("DefinitionString") or json.dumps(properties.get("Definition", {}))
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{key}}}", str(value))
    kind = {"type": properties["StateMachineType"]} if "StateMachineType" in properties else {}
    return {"name": name, "definition": text, **renamed, **kind}


def state_machine_change(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a state machine's properties for UpdateStateMachine."""
    given = state_machine_input(calls, name, properties)
    return {k: v for k, v in given.items() if k not in ("name", "type", "Tags")}


def compute(wish: Wish) -> tuple[Any, ...]:
    """Return these kinds; what templates want of services goes to `wish`."""
    return (
        Kind(
            "AWS::ECS::Cluster", "ecs", "CreateCluster", "DeleteCluster", "cluster", name="ClusterName",
            given=cluster_input, apply=apply_cluster, renamed={"ClusterSettings": "settings"},
            on_update=frozenset({"CapacityProviders", "DefaultCapacityProviderStrategy", "ClusterSettings",
                                 "Configuration", "ServiceConnectDefaults"}),
            tags="list", retags=("TagResource", "UntagResource", "resourceArn"), tagged_by="Arn",
            attributes={"Arn": "cluster.clusterArn"},
        ),
        Kind(
            "AWS::ECS::TaskDefinition", "ecs", "RegisterTaskDefinition", "DeregisterTaskDefinition", "taskDefinition",
            name="Family", ident="taskDefinition.taskDefinitionArn", given=definition_input, renewed=True, tags="list",
            retags=("TagResource", "UntagResource", "resourceArn"),
            attributes={"TaskDefinitionArn": "{id}"},
        ),
        Service(wish),
        Providers(),
        ScalableTarget(),
        ScalingPolicy(),
        Kind(
            "AWS::StepFunctions::StateMachine", "stepfunctions", "CreateStateMachine", "DeleteStateMachine",
            "stateMachineArn", name="StateMachineName", ident="stateMachineArn", given=state_machine_input,
            updates="UpdateStateMachine", changed=state_machine_change,
            fixed=frozenset({"StateMachineType"}), tags="list", retags=("TagResource", "UntagResource", "resourceArn"),
            attributes={"Arn": "{id}", "Name": "{StateMachineName}"},
        ),
        Kind(
            "AWS::EFS::FileSystem", "efs", "CreateFileSystem", "DeleteFileSystem", "FileSystemId",
            ident="FileSystemId", renamed={"FileSystemTags": "Tags"},
            given=lambda calls, name, properties: {"CreationToken": name, **properties},
            attributes={"Arn": "FileSystemArn", "FileSystemId": "{id}"},
        ),
        Kind(
            "AWS::EFS::MountTarget", "efs", "CreateMountTarget", "DeleteMountTarget", "MountTargetId",
            ident="MountTargetId", attributes={"Id": "{id}", "IpAddress": "IpAddress"},
        ),
        Kind(
            "AWS::EFS::AccessPoint", "efs", "CreateAccessPoint", "DeleteAccessPoint", "AccessPointId",
            ident="AccessPointId", renamed={"AccessPointTags": "Tags"},
            given=lambda calls, name, properties: {"ClientToken": name, **properties},
            attributes={"Arn": "AccessPointArn", "AccessPointId": "{id}"},
        ),
    )  # fmt: skip
