"""A checked launch turned into the description and the plan of each of its tasks."""

import uuid
from typing import Any

from fargate_local.cloud.catalog import Subnet
from fargate_local.ecs.launch import Launch
from fargate_local.protocol.arns import Names, last_part
from fargate_local.protocol.plan import ContainerPlan, HealthCheck, LogTarget, Mount, RestartPolicy, TaskPlan

MIB = 1024 * 1024
GIB = 1024 * MIB
# Developer guide, "Container definition parameters": the default of stopTimeout and its limit on Fargate, in seconds.
STOP_TIMEOUT = 30.0
STOP_TIMEOUT_LIMIT = 120.0


def new_task(launch: Launch, now: float, subnet: Subnet, address: str) -> tuple[dict[str, Any], TaskPlan]:
    """Return the description and the plan of one more task."""
    names = Names(launch.region)
    arn = names.new_task(launch.cluster_name)
    task_id = last_part(arn)
    attachment = attachment_of(subnet, address)
    overrides = launch.request.get("overrides", {})
    by_name = {item["name"]: item for item in overrides.get("containerOverrides", []) if item.get("name")}
    containers = [
        describe_container(container, by_name.get(container["name"], {}), names, launch, arn, attachment)
        for container in launch.definition["containerDefinitions"]
    ]
    storage = overrides.get("ephemeralStorage") or launch.definition.get("ephemeralStorage") or {"sizeInGiB": 20}
    body = {
        "attachments": [attachment],
        "attributes": [{"name": "ecs.cpu-architecture", "value": architecture(launch.definition)}],
        "availabilityZone": subnet.zone,
        "clusterArn": launch.cluster["clusterArn"],
        "containers": containers,
        "cpu": str(launch.cpu),
        "createdAt": now,
        "desiredStatus": "RUNNING",
        "enableExecuteCommand": bool(launch.request.get("enableExecuteCommand")),
        "group": launch.request.get("group") or f"family:{launch.family}",
        "healthStatus": "UNKNOWN",
        "lastStatus": "PROVISIONING",
        "launchType": "FARGATE",
        "memory": str(launch.memory),
        "overrides": described_overrides(overrides, launch.definition),
        "platformVersion": launch.platform_version,
        "platformFamily": "Linux",
        "taskArn": arn,
        "taskDefinitionArn": launch.definition["taskDefinitionArn"],
        "version": 1,
        "ephemeralStorage": storage,
        "fargateEphemeralStorage": storage,
    }
    if launch.capacity_provider:
        body["capacityProviderName"] = launch.capacity_provider
    if launch.request.get("startedBy"):
        body["startedBy"] = launch.request["startedBy"]
    plan = TaskPlan(
        arn=arn,
        region=launch.region,
        cluster=launch.cluster_name,
        family=launch.family,
        revision=launch.definition["revision"],
        capacity=launch.capacity,
        cpu=launch.cpu,
        memory=launch.memory * MIB,
        role=overrides.get("taskRoleArn") or launch.definition.get("taskRoleArn"),
        containers=tuple(
            plan_container(container, by_name.get(container["name"], {}), launch, task_id)
            for container in launch.definition["containerDefinitions"]
        ),
        execution_role=overrides.get("executionRoleArn") or launch.definition.get("executionRoleArn"),
        subnet=subnet.subnet_id,
        groups=tuple(launch.groups),
        public=launch.request["networkConfiguration"]["awsvpcConfiguration"].get("assignPublicIp") == "ENABLED",
        vpc=subnet.vpc_id,
        address=address,
        storage=storage["sizeInGiB"] * GIB,
    )
    return body, plan


def attachment_of(subnet: Subnet, address: str) -> dict[str, Any]:
    """Return the description of a network interface; the interface itself does not exist."""
    unique = uuid.uuid4().hex
    mac = ":".join(["0a", *(unique[at : at + 2] for at in range(0, 10, 2))])
    details = {
        "subnetId": subnet.subnet_id,
        "networkInterfaceId": f"eni-{unique[:17]}",
        "macAddress": mac,
        "privateDnsName": f"ip-{address.replace('.', '-')}.ec2.internal",
        "privateIPv4Address": address,
    }
    return {
        "id": str(uuid.uuid4()),
        "type": "ElasticNetworkInterface",
        "status": "PRECREATED",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def describe_container(
    container: dict[str, Any],
    override: dict[str, Any],
    names: Names,
    launch: Launch,
    task_arn: str,
    attachment: dict[str, Any],
) -> dict[str, Any]:
    """Return a container as RunTask describes it."""
    address = attachment["details"][-1]["value"]
    described = {
        "containerArn": names.new_container(launch.cluster_name, last_part(task_arn)),
        "taskArn": task_arn,
        "name": container["name"],
        "image": container["image"],
        "lastStatus": "PENDING",
        "networkInterfaces": [{"attachmentId": attachment["id"], "privateIpv4Address": address}],
        "healthStatus": "UNKNOWN",
        "cpu": str(override.get("cpu") or container.get("cpu", 0)),
    }
    for key in ("memory", "memoryReservation"):
        value = override.get(key) or container.get(key)
        if value:
            described[key] = str(value)
    return described


def described_overrides(overrides: dict[str, Any], definition: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides as a task shows them: one entry per container, overridden or not."""
    given = {item["name"]: item for item in overrides.get("containerOverrides", []) if item.get("name")}
    shown = [
        given.get(container["name"], {"name": container["name"]}) for container in definition["containerDefinitions"]
    ]
    return {"inferenceAcceleratorOverrides": [], **overrides, "containerOverrides": shown}


def architecture(definition: dict[str, Any]) -> str:
    """Return the CPU architecture as a task attribute."""
    wanted: str = definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    return wanted.lower()


def plan_container(container: dict[str, Any], override: dict[str, Any], launch: Launch, task_id: str) -> ContainerPlan:
    """Return what a container is going to run: its definition with its override applied."""
    environment = {item["name"]: item.get("value", "") for item in container.get("environment") or []}
    environment |= {item["name"]: item.get("value", "") for item in override.get("environment", []) if "name" in item}
    command = override.get("command", container.get("command"))
    memory = override.get("memory") or container.get("memory")
    entry_point = container.get("entryPoint")
    files = override.get("environmentFiles") or container.get("environmentFiles") or []
    capabilities = (container.get("linuxParameters") or {}).get("capabilities") or {}
    return ContainerPlan(
        name=container["name"],
        image=container["image"],
        essential=container.get("essential", True),
        entry_point=tuple(entry_point) if entry_point else None,
        command=tuple(command) if command else None,
        environment=environment,
        secrets={item["name"]: item["valueFrom"] for item in container.get("secrets") or []},
        depends_on=tuple((item["containerName"], item["condition"]) for item in container.get("dependsOn") or []),
        working_directory=container.get("workingDirectory"),
        user=container.get("user"),
        stop_timeout=min(float(container.get("stopTimeout") or STOP_TIMEOUT), STOP_TIMEOUT_LIMIT),
        memory=int(memory) * MIB if memory else None,
        cpu=int(override.get("cpu") or container.get("cpu") or 0),
        read_only=bool(container.get("readonlyRootFilesystem")),
        logs=log_target(container, launch.region, task_id),
        environment_files=tuple(item["value"] for item in files),
        mounts=mounts_of(container, launch.definition),
        ulimits={
            item["name"]: (int(item["softLimit"]), int(item["hardLimit"])) for item in container.get("ulimits") or []
        },
        health=health_check(container.get("healthCheck")),
        restart=restart_policy(container.get("restartPolicy")),
        start_timeout=container.get("startTimeout"),
        added_capabilities=tuple(capabilities.get("add") or ()),
        dropped_capabilities=tuple(capabilities.get("drop") or ()),
    )


def mounts_of(container: dict[str, Any], definition: dict[str, Any]) -> tuple[Mount, ...]:
    """Return the container's own mounts and those it takes from other containers."""
    mounts = [
        Mount(item["sourceVolume"], item["containerPath"], bool(item.get("readOnly")))
        for item in container.get("mountPoints") or []
    ]
    by_name = {each["name"]: each for each in definition["containerDefinitions"]}
    for source in container.get("volumesFrom") or []:
        mounts += [
            Mount(item["sourceVolume"], item["containerPath"], bool(item.get("readOnly") or source.get("readOnly")))
            for item in by_name[source["sourceContainer"]].get("mountPoints") or []
        ]
    return tuple(mounts)


def health_check(given: dict[str, Any] | None) -> HealthCheck | None:
    """Return the health check with the API reference's defaults, or None when there is none or it is disabled."""
    if not given or given["command"][0] == "NONE":
        return None
    first, *words = given["command"]
    match first:
        case "CMD-SHELL":
            argv = ["/bin/sh", "-c", " ".join(words)]
        case "CMD":
            argv = words
        case _:
            argv = [first, *words]
    return HealthCheck(
        argv=tuple(argv),
        interval=float(given.get("interval", 30)),
        timeout=float(given.get("timeout", 5)),
        retries=int(given.get("retries", 3)),
        start_period=float(given.get("startPeriod", 0)),
    )


def restart_policy(given: dict[str, Any] | None) -> RestartPolicy | None:
    """Return the policy with the API reference's default, or None when it is disabled."""
    if not given or not given.get("enabled"):
        return None
    return RestartPolicy(float(given.get("restartAttemptPeriod", 300)), frozenset(given.get("ignoredExitCodes") or ()))


def log_target(container: dict[str, Any], region: str, task_id: str) -> LogTarget | None:
    """Return the log stream, `<prefix>/<container>/<task id>`, or None without the awslogs driver."""
    configuration = container.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    prefix = options.get("awslogs-stream-prefix", "ecs")
    return LogTarget(
        group=options.get("awslogs-group", ""),
        stream=f"{prefix}/{container['name']}/{task_id}",
        region=options.get("awslogs-region", region),
        create_group=options.get("awslogs-create-group", "false").lower() == "true",
    )
