"""The permissions of ECS calls, from "Actions, resources, and condition keys for Amazon ECS" (read November 2026)."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from fargate_local.protocol.arns import Names, last_part
from fargate_local.strict import account
from fargate_local.strict.calls import Call, pass_role
from fargate_local.strict.policy import Need

TASKS: Final = "ecs-tasks.amazonaws.com"
"""The service that roles of tasks are passed to, and that assumes them."""


def ecs(call: Call) -> Iterator[Need]:
    """Yield the permissions that a call of ECS takes; none for operations without a resource of their own."""
    if mapped := OPERATIONS.get(call.operation):
        yield from mapped(call)
    elif call.operation in OF_CLUSTERS:
        named = call.texts("clusters") or [call.text("cluster", "clusterName") or "default"]
        for name in named:
            yield call.need(cluster_arn(call, name))
        yield from tagging(call, cluster_arn(call, named[0]))
    elif call.operation in OF_TASKS:
        for identifier in call.texts("tasks") or [call.text("task")]:
            yield task_need(call, identifier)
    elif call.operation in OF_SERVICES:
        names = call.texts("services") or [call.text("service", "serviceName")]
        for name in names:
            yield call.need(service_arn(call, name), of_cluster(call))
        yield from tagging(call, service_arn(call, names[0]))
    elif call.operation in OF_TAGS:
        arn = call.text("resourceArn")
        yield task_need(call, arn) if ":task/" in arn else call.need(arn)
    elif call.operation == "ListServices":
        yield call.need("*", of_cluster(call))


OF_CLUSTERS: Final = frozenset(
    {
        "CreateCluster",
        "DeleteCluster",
        "DescribeClusters",
        "ListAttributes",
        "ListContainerInstances",
        "PutClusterCapacityProviders",
        "UpdateCluster",
        "UpdateClusterSettings",
    }
)
OF_TASKS: Final = frozenset({"DescribeTasks", "StopTask", "GetTaskProtection", "UpdateTaskProtection"})
OF_SERVICES: Final = frozenset({"CreateService", "DeleteService", "DescribeServices", "UpdateService"})
OF_TAGS: Final = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})


def run_task(call: Call) -> Iterator[Need]:
    """Yield the permissions to run a definition, to pass its roles, and to tag the new tasks."""
    definition = definition_named(call.region, call.text("taskDefinition"))
    given = last_part(call.text("taskDefinition"))
    arn = definition.arn if definition else call.arn(f"task-definition/{given}")
    yield call.need(arn, of_cluster(call) | launch_keys(call, definition))
    yield from pass_role(roles_of_launch(call, definition), TASKS)
    cluster = last_part(call.text("cluster") or "default")
    yield from tagging(call, call.arn(f"task/{cluster}/*"))


def launch_keys(call: Call, definition: Any) -> dict[str, Any]:
    """Return what RunTask lets policies ask about a launch; `definition` is moto's, or None."""
    overrides = call.parameters.get("overrides") or {}
    keys: dict[str, Any] = {
        "ecs:enable-execute-command": str(bool(call.parameters.get("enableExecuteCommand"))).lower()
    }
    for key, name in (("ecs:task-cpu", "cpu"), ("ecs:task-memory", "memory")):
        if value := overrides.get(name) or getattr(definition, name, None):
            keys[key] = str(value)
    strategy = call.parameters.get("capacityProviderStrategy") or []
    if strategy:
        keys["ecs:capacity-provider"] = tuple(str(each.get("capacityProvider")) for each in strategy)
    return keys


def roles_of_launch(call: Call, definition: Any) -> list[str]:
    """Return the roles that a task will have: those of the request, or else those of the definition."""
    overrides = call.parameters.get("overrides") or {}
    chosen = [
        overrides.get("taskRoleArn") or getattr(definition, "task_role_arn", None),
        overrides.get("executionRoleArn") or getattr(definition, "execution_role_arn", None),
    ]
    return [role for role in chosen if role]


def register_task_definition(call: Call) -> Iterator[Need]:
    """Yield the permissions to register in the family, to pass the roles that it names, and to tag it."""
    arn = call.arn(f"task-definition/{call.text('family')}:*")
    containers = call.parameters.get("containerDefinitions") or []
    privileged = any(each.get("privileged") for each in containers if isinstance(each, dict))
    keys: dict[str, Any] = {"ecs:privileged": str(privileged).lower()}
    for key, name in (("ecs:task-cpu", "cpu"), ("ecs:task-memory", "memory")):
        if value := call.text(name):
            keys[key] = str(value)
    if kinds := call.texts("requiresCompatibilities"):
        keys["ecs:compute-compatibility"] = tuple(kinds)
    yield call.need(arn, keys)
    yield from pass_role([role for role in [call.text("taskRoleArn"), call.text("executionRoleArn")] if role], TASKS)
    yield from tagging(call, arn)


def list_tasks(call: Call) -> Iterator[Need]:
    """Yield the permission on a container instance, which the reference asks for with Fargate as well."""
    cluster = last_part(call.text("cluster") or "default")
    instance = last_part(call.text("containerInstance")) or "*"
    yield call.need(call.arn(f"container-instance/{cluster}/{instance}"), of_cluster(call))


def execute_command(call: Call) -> Iterator[Need]:
    """Yield the permissions on the cluster and on the task."""
    yield call.need(cluster_arn(call, call.text("cluster") or "default"))
    yield task_need(call, call.text("task"))


def delete_task_definitions(call: Call) -> Iterator[Need]:
    """Yield the permission on each definition."""
    for identifier in call.texts("taskDefinitions"):
        yield call.need(call.arn(f"task-definition/{last_part(identifier)}"))


OPERATIONS: Final[dict[str, Callable[[Call], Iterator[Need]]]] = {
    "RunTask": run_task,
    "StartTask": run_task,
    "RegisterTaskDefinition": register_task_definition,
    "ListTasks": list_tasks,
    "ExecuteCommand": execute_command,
    "DeleteTaskDefinitions": delete_task_definitions,
}


def tagging(call: Call, arn: str) -> Iterator[Need]:
    """Yield `ecs:TagResource` for a call that makes something with tags (developer guide, "Tagging authorization")."""
    if call.parameters.get("tags") and call.operation.startswith(("Create", "Register", "Run", "Start")):
        yield call.need(arn, {"ecs:CreateAction": call.operation}, action="ecs:TagResource")


def cluster_arn(call: Call, identifier: str) -> str:
    """Return the ARN of a cluster by its name or ARN."""
    return identifier if identifier.startswith("arn:") else Names(call.region).cluster(identifier)


def of_cluster(call: Call) -> dict[str, Any]:
    """Return `ecs:cluster`, the condition key with the call's cluster."""
    return {"ecs:cluster": cluster_arn(call, call.text("cluster") or "default")}


def task_need(call: Call, identifier: str) -> Need:
    """Return the permission for the call on one task, named by its id or ARN."""
    cluster = last_part(call.text("cluster") or "default")
    arn = Names(call.region).task(cluster, identifier)
    return call.need(arn, of_cluster(call), tags=lambda: call.tags_of_task(arn))


def service_arn(call: Call, name: str) -> str:
    """Return the ARN of a service by its name or ARN."""
    cluster = last_part(call.text("cluster") or "default")
    return Names(call.region).service(cluster, name)


def definition_named(region: str, identifier: str) -> Any:
    """Return moto's task definition by family, `family:revision` or ARN; None when there is none."""
    memory = account.backend("ecs", region)
    family, _, number = last_part(identifier).partition(":")
    revisions = dict(memory.task_definitions.get(family, {})) if memory else {}
    if number:
        return revisions.get(int(number)) if number.isdigit() else None
    active = [revision for revision, definition in revisions.items() if definition.status == "ACTIVE"]
    return revisions[max(active)] if active else None
