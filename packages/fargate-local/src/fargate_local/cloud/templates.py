"""Passes on what moto drops from the clusters, task definitions and services of a CloudFormation template.

moto 5.2 takes a cluster's name and a task definition's family, containers, volumes and memory, and silently drops the
rest: a template's tasks would run with other limits, or be rejected for lacking what the template did declare.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

_CLUSTER = {
    "Tags": "tags",
    "ClusterSettings": "cluster_settings",
    "Configuration": "configuration",
    "CapacityProviders": "capacity_providers",
    "DefaultCapacityProviderStrategy": "default_capacity_provider_strategy",
    "ServiceConnectDefaults": "service_connect_defaults",
}
_DEFINITION = {
    "Family": "family",
    "ContainerDefinitions": "container_definitions",
    "Volumes": "volumes",
    "NetworkMode": "network_mode",
    "Tags": "tags",
    "PlacementConstraints": "placement_constraints",
    "RequiresCompatibilities": "requires_compatibilities",
    "Cpu": "cpu",
    "Memory": "memory",
    "TaskRoleArn": "task_role_arn",
    "ExecutionRoleArn": "execution_role_arn",
    "ProxyConfiguration": "proxy_configuration",
    "RuntimePlatform": "runtime_platform",
    "IpcMode": "ipc_mode",
    "PidMode": "pid_mode",
    "EphemeralStorage": "ephemeral_storage",
}
"""Properties of AWS::ECS::Cluster and AWS::ECS::TaskDefinition, and moto's names for them."""


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What a template wants of one service; `properties` are those of AWS::ECS::Service."""

    region: str
    action: Literal["create", "update", "delete"]
    name: str
    properties: dict[str, Any]


def hand_on_everything() -> None:
    """Make moto's CloudFormation create clusters and task definitions with every property in the template."""
    from moto.core.utils import pascal_to_camelcase, remap_nested_keys
    from moto.ecs import models

    def given(document: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
        properties = document.get("Properties", {})
        return {
            argument: remap_nested_keys(properties[name], pascal_to_camelcase)
            for name, argument in names.items()
            if name in properties
        }

    def make_cluster(
        cls: Any, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        backend = models.ecs_backends[account_id][region_name]
        return backend.create_cluster(resource_name, **given(cloudformation_json, _CLUSTER))

    def update_cluster(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        if original_resource.name != new_resource_name:
            models.ecs_backends[account_id][region_name].delete_cluster(original_resource.arn)
            return make_cluster(cls, new_resource_name, cloudformation_json, account_id, region_name)
        for name, value in given(cloudformation_json, _CLUSTER).items():
            setattr(original_resource, "settings" if name == "cluster_settings" else name, value)
        return original_resource

    def make_definition(
        cls: Any, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        backend = models.ecs_backends[account_id][region_name]
        arguments = {"family": resource_name, "container_definitions": [], **given(cloudformation_json, _DEFINITION)}
        return backend.register_task_definition(**arguments)

    def update_definition(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        models.ecs_backends[account_id][region_name].deregister_task_definition(original_resource.arn)
        return make_definition(cls, new_resource_name, cloudformation_json, account_id, region_name)

    for kind, make, update in (
        (models.Cluster, make_cluster, update_cluster),
        (models.TaskDefinition, make_definition, update_definition),
    ):
        setattr(kind, "create_from_cloudformation_json", classmethod(make))  # noqa: B010 - mypy knows moto's methods
        setattr(kind, "update_from_cloudformation_json", classmethod(update))  # noqa: B010 - and does not let them change


def hand_on_services(wish: Callable[[ServiceWish], None]) -> None:
    """Have what templates want of services handed to `wish`; moto keeps no more than their names."""
    from moto.ecs import models

    def make_service(
        cls: Any, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        properties = plain(cloudformation_json.get("Properties", {}))
        wish(ServiceWish(region_name, "create", resource_name, properties))
        cluster = str(properties.get("Cluster", "default")).rsplit("/", 1)[-1]
        return models.ecs_backends[account_id][region_name].create_service(cluster, resource_name, 0)

    def update_service(
        cls: Any, /, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str,
        region_name: str,
    ) -> Any:  # fmt: skip
        if original_resource.name != new_resource_name:
            delete_service(cls, original_resource.arn, cloudformation_json, account_id, region_name)
            return make_service(cls, new_resource_name, cloudformation_json, account_id, region_name)
        wish(ServiceWish(region_name, "update", new_resource_name, plain(cloudformation_json.get("Properties", {}))))
        return original_resource

    def delete_service(cls: Any, /, resource_name: str, cloudformation_json: Any, account_id: str, region: str) -> None:
        cluster, name = resource_name.split("/")[-2:]
        models.ecs_backends[account_id][region].services.pop(f"{cluster}:{name}", None)
        wish(ServiceWish(region, "delete", name, {"Cluster": cluster}))

    setattr(models.Service, "create_from_cloudformation_json", classmethod(make_service))  # noqa: B010 - as above
    setattr(models.Service, "update_from_cloudformation_json", classmethod(update_service))  # noqa: B010 - as above
    setattr(models.Service, "delete_from_cloudformation_json", classmethod(delete_service))  # noqa: B010 - as above


def plain(value: Any) -> Any:
    """Return a template's value with the identifiers of resources where moto has put the resources themselves."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return getattr(value, "physical_resource_id", value)
