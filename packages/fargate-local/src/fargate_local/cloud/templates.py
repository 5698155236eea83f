"""Passes on what moto drops from the clusters and task definitions of a CloudFormation template.

moto 5.2 takes a cluster's name and a task definition's family, containers, volumes and memory, and silently drops the
rest: a template's tasks would run with other limits, or be rejected for lacking what the template did declare.
"""

from typing import Any

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
