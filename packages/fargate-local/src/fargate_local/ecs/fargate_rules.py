"""What Fargate rejects in a task definition that ECS would accept for container instances.

Developer guide, "Amazon ECS task definition differences for Fargate" and "Task definition parameters for Fargate" (read
November 2026).
"""

from typing import Any

from fargate_local.ecs.sizes import cpu_units, is_fargate_size, memory_mib, no_such_size
from fargate_local.protocol.errors import ClientError
from fargate_local.runtimes.references import parse_reference

STOP_TIMEOUT_LIMIT = 120
STORAGE = (21, 200)
CAPABILITIES = frozenset({"SYS_PTRACE"})
LOG_DRIVERS = ("awslogs", "splunk", "awsfirelens")
ARCHITECTURES = ("X86_64", "ARM64")
SYSTEMS = (
    "LINUX",
    "WINDOWS_SERVER_2019_FULL",
    "WINDOWS_SERVER_2019_CORE",
    "WINDOWS_SERVER_2022_FULL",
    "WINDOWS_SERVER_2022_CORE",
    "WINDOWS_SERVER_2025_FULL",
    "WINDOWS_SERVER_2025_CORE",
)
WINDOWS_CPU = 1024
NO_LINUX_PARAMETERS = ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness")
NO_VOLUME_KINDS = ("dockerVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration")
# Fields that the awsvpc network mode rules out, and what ECS calls each.
NOT_IN_AWSVPC = {
    "links": "Links are not supported when networkMode=awsvpc.",
    "disableNetworking": "Disable Networking is not supported on container when networkMode=awsvpc.",
    "dnsServers": "DNS servers are not supported on container when networkMode=awsvpc.",
    "dnsSearchDomains": "DNS search domains are not supported on container when networkMode=awsvpc.",
    "extraHosts": "Extra hosts are not supported on container when networkMode=awsvpc.",
    "hostname": "hostname is not supported on container when networkMode=awsvpc.",
}


def check_fargate(request: dict[str, Any], containers: list[dict[str, Any]]) -> None:
    """Check that a definition can run on Fargate.

    Raises:
        ClientError: It cannot.
    """
    if request.get("networkMode") != "awsvpc":
        message = "Fargate only supports network mode ‘awsvpc’."
        raise ClientError(message)
    check_size(request, containers)
    check_platform(request)
    check_task(request)
    check_storage(request)
    check_ports(containers)
    for container in containers:
        check_container(container)
        check_linux_parameters(container)
        check_logs(container, containers, request)
        check_image(container, request)


def unsupported(field: str) -> ClientError:
    """Return the error for a field that Fargate does not support."""
    return ClientError(f"Fargate compatible task definitions do not support {field}.")


def check_size(request: dict[str, Any], containers: list[dict[str, Any]]) -> None:
    """Check that the task's size exists and its containers fit.

    Raises:
        ClientError: It does not, or they do not.
    """
    for key in ("cpu", "memory"):
        if not request.get(key):
            message = f"Fargate requires that '{key}' be defined at the task level."
            raise ClientError(message)
    cpu, memory = cpu_units(request["cpu"]) or 0, memory_mib(request["memory"]) or 0
    if not is_fargate_size(cpu, memory):
        raise ClientError(no_such_size(cpu, memory))
    check_fits(containers, cpu, memory)


def check_fits(containers: list[dict[str, Any]], cpu: int, memory: int) -> None:
    """Check that no container, nor all of them together, ask for more than the task has; `memory` in MiB.

    Raises:
        ClientError: They do.
    """
    for container in containers:
        for key in ("memory", "memoryReservation"):
            if container.get(key, 0) > memory:
                message = f"The '{key}' setting for container '{container['name']}' is greater than for the task."
                raise ClientError(message)
    if sum(container.get("cpu", 0) for container in containers) > cpu:
        message = "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."
        raise ClientError(message)
    # What a container is sure to get is its reservation, or its limit when it has none.
    if sum(container.get("memoryReservation") or container.get("memory", 0) for container in containers) > memory:
        message = "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'."
        raise ClientError(message)


def check_platform(request: dict[str, Any]) -> None:
    """Check that Fargate has the operating system and the architecture; this machine runs Linux.

    Raises:
        ClientError: It has not.
    """
    platform = request.get("runtimePlatform", {})
    architecture = platform.get("cpuArchitecture", "X86_64")
    system = platform.get("operatingSystemFamily", "LINUX")
    if architecture not in ARCHITECTURES:
        message = f"cpuArchitecture should be one of [{','.join(ARCHITECTURES)}]"
        raise ClientError(message)
    if system not in SYSTEMS:
        message = f"operatingSystemFamily should be one of [{','.join(SYSTEMS)}]"
        raise ClientError(message)
    if system != "LINUX":
        if architecture != "X86_64":
            message = f"The {architecture} cpuArchitecture is not supported with the {system} operatingSystemFamily."
            raise ClientError(message)
        cpu, memory = cpu_units(request["cpu"]) or 0, memory_mib(request["memory"]) or 0
        if cpu < WINDOWS_CPU:
            raise ClientError(no_such_size(cpu, memory))


def check_task(request: dict[str, Any]) -> None:
    """Check the fields of the task itself.

    Raises:
        ClientError: Fargate does not support one.
    """
    if request.get("placementConstraints"):
        raise unsupported("constraints")
    if request.get("ipcMode"):
        raise unsupported("ipcMode")
    if request.get("pidMode", "task") != "task":
        message = f"Tasks using the Fargate launch type do not support pidMode '{request['pidMode']}'."
        raise ClientError(message)
    if request.get("inferenceAccelerators"):
        message = "Unsupported field 'inferenceAccelerators'."
        raise ClientError(message)


def check_storage(request: dict[str, Any]) -> None:
    """Check the ephemeral storage, and that Fargate has volumes of these kinds.

    Raises:
        ClientError: The storage is too small or too large, or a volume is of another kind.
    """
    if "ephemeralStorage" in request:
        size = request["ephemeralStorage"].get("sizeInGiB", 0)
        low, high = STORAGE
        if not low <= size <= high:
            bound = f"at least {low}" if size < low else f"at most {high}"
            message = f"EphemeralStorage size should be {bound}."
            raise ClientError(message)
    for volume in request.get("volumes", []):
        if "sourcePath" in volume.get("host", {}):
            raise unsupported("sourcePath")
        for kind in NO_VOLUME_KINDS:
            if kind in volume:
                raise unsupported(kind)


def check_ports(containers: list[dict[str, Any]]) -> None:
    """Check that ports are the same inside and outside, and that port names are unique.

    All containers of a task share one network.

    Raises:
        ClientError: They are not.
    """
    names: set[str] = set()
    for container in containers:
        for port in container.get("portMappings", []):
            if port.get("hostPort", 0) not in (0, port.get("containerPort", 0)):
                message = "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
                raise ClientError(message)
            if (name := port.get("name")) in names:
                message = f"port mapping name is already used: {name}"
                raise ClientError(message)
            names.update({name} if name else ())


def check_container(container: dict[str, Any]) -> None:
    """Check the fields of one container.

    Raises:
        ClientError: Fargate does not support one.
    """
    if container.get("privileged"):
        message = "Fargate requires that the 'privileged' setting be 'false'."
        raise ClientError(message)
    for field, message in NOT_IN_AWSVPC.items():
        if container.get(field):
            raise ClientError(message)
    if container.get("dockerSecurityOptions"):
        raise unsupported("dockerSecurityOptions")
    if any(requirement.get("type") == "GPU" for requirement in container.get("resourceRequirements", [])):
        message = "Tasks using the Fargate launch type do not support GPU resource requirements."
        raise ClientError(message)
    if container.get("stopTimeout", 0) > STOP_TIMEOUT_LIMIT:
        message = (
            "Tasks using the Fargate launch type must have a container stop timeout of less than"
            f" {STOP_TIMEOUT_LIMIT} seconds."
        )
        raise ClientError(message)


def check_linux_parameters(container: dict[str, Any]) -> None:
    """Check Linux parameters: Fargate allows dropping capabilities, adding SYS_PTRACE, and an init process.

    Raises:
        ClientError: There is another one.
    """
    parameters = container.get("linuxParameters", {})
    for field in NO_LINUX_PARAMETERS:
        if field in parameters:
            raise unsupported(field)
    for capability in parameters.get("capabilities", {}).get("add", []):
        if capability not in CAPABILITIES:
            message = f"{capability} is not allowed on Fargate."
            raise ClientError(message)


def check_logs(container: dict[str, Any], containers: list[dict[str, Any]], request: dict[str, Any]) -> None:
    """Check that Fargate has the log driver, and that it has all it needs.

    Raises:
        ClientError: It has not.
    """
    logs = container.get("logConfiguration")
    if not logs:
        return
    driver = logs.get("logDriver")
    if driver not in LOG_DRIVERS:
        message = f"{driver} is not a valid log driver. Must be one of [{', '.join(LOG_DRIVERS)}]"
        raise ClientError(message)
    if driver == "awslogs":
        if not logs.get("options", {}).get("awslogs-stream-prefix"):
            message = (
                "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver"
                " awslogs."
            )
            raise ClientError(message)
        if not request.get("executionRoleArn"):
            message = "Fargate requires task definition to have execution role ARN to support log driver awslogs."
            raise ClientError(message)
    if driver == "awsfirelens" and not any("firelensConfiguration" in each for each in containers):
        message = (
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be"
            " specified."
        )
        raise ClientError(message)


def check_image(container: dict[str, Any], request: dict[str, Any]) -> None:
    """Check that a task with an image in ECR has an execution role to pull it.

    Raises:
        ClientError: It has none.
    """
    if parse_reference(container["image"]).ecr_region and not request.get("executionRoleArn"):
        message = "Fargate requires task definition to have execution role ARN to support ECR images."
        raise ClientError(message)
