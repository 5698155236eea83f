"""Task definitions that ECS refuses, in its words, and those of known launchers, which it takes.

Each case names where its message was seen. DOCS are rules that the documentation states without giving the message.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs

from fargate_local.ecs.definition import check_definition

DOCS = "developer guide, Task definition parameters for Fargate; API reference RegisterTaskDefinition"
ISSUES = "https://github.com/"
# Messages of RegisterTaskDefinition, tried against AWS by the authors of these rules.
BENCH = ISSUES + "badmintoncryer/cdk-preflight/blob/HEAD/rules/ecs/"
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/module:1.0.0"
HEALTH = {"command": ["CMD-SHELL", "true"]}
LOGS = {"awslogs-group": "/tests", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"}
TOO_LARGE = "The 'memory' setting for container 'app' is greater than for the task."
NO_SIZE = "No Fargate configuration exists for given values: {} CPU, {} memory."


@dataclass
class Wrong:
    """One container that differs from what is right, or several, and settings of the task that do."""

    name: str
    message: str
    source: str
    container: dict[str, Any] | list[dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    code: str = "ClientException"


def lacks(field_name: str) -> str:
    return f"Fargate compatible task definitions do not support {field_name}."


def linux(**parameters: Any) -> dict[str, Any]:
    return {"linuxParameters": parameters}


def logs(driver: str = "awslogs", **options: str) -> dict[str, Any]:
    return {"logConfiguration": {"logDriver": driver, "options": options}}


def tags(*keys: str) -> dict[str, Any]:
    return {"tags": [{"key": key, "value": "v"} for key in keys]}


def volume(**kind: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **kind}]}


def depends(name: str, condition: str) -> dict[str, Any]:
    return {"dependsOn": [{"containerName": name, "condition": condition}]}


def role(arn: str) -> dict[str, Any]:
    return {"taskRoleArn": arn}


NO_ROLE = {"executionRoleArn": None}
WRONG = [
    # The family, the roles, the tags.
    Wrong("family-empty", "Family should not be null or empty.", DOCS, settings={"family": ""}),
    Wrong(
        "family-slash",
        "Family contains invalid characters.",
        ISSUES + "aws/aws-cli/issues/6774",
        settings={"family": "a/b"},
    ),
    Wrong(
        "family-long",
        "Family contains invalid characters.",
        BENCH + "pf-ecs-taskdef-family",
        settings={"family": "f" * 256},
    ),
    Wrong(
        "role-of-ecr",
        "Role is not valid",
        ISSUES + "aws-samples/aws-modern-application-workshop/issues/9",
        settings=role("arn:aws:ecr:us-east-1:123456789012:repository/x"),
    ),
    Wrong(
        "role-is-user",
        "Role is not valid",
        ISSUES + "fabfuel/ecs-deploy/issues/231",
        settings=role("arn:aws:iam::123456789012:user/x"),
    ),
    Wrong(
        "role-with-region",
        "Role is not valid",
        ISSUES + "aws/aws-cdk/pull/3755",
        settings=role("arn:aws:iam:us-east-1:123456789012:role/x"),
    ),
    Wrong("role-empty", "Role is not valid", ISSUES + "actions/runner-images/issues/10387", settings=role("")),
    Wrong(
        "role-account-short",
        "Role is not valid",
        ISSUES + "bradford-hamilton/terraform-ecs-fargate/issues/8",
        settings={"executionRoleArn": "arn:aws:iam::1234:role/x"},
    ),
    Wrong(
        "tags-51",
        "Too many tags.",
        DOCS + ", tags: at most 50",
        settings=tags(*(f"k{n}" for n in range(51))),
        code="InvalidParameterException",
    ),
    Wrong(
        "tag-aws",
        "Tag keys beginning with aws: are reserved",
        ISSUES + "awsdocs/amazon-ecs-developer-guide/issues/72",
        settings=tags("aws:x"),
        code="InvalidParameterException",
    ),
    Wrong(
        "tag-AWS",
        "Tag keys beginning with aws: are reserved",
        ISSUES + "awsdocs/amazon-ecs-developer-guide/issues/72",
        settings=tags("AWS:x"),
        code="InvalidParameterException",
    ),
    Wrong(
        "tag-long",
        "Tag keys must have 1 to 128 characters",
        DOCS + ", tags",
        settings=tags("k" * 129),
        code="InvalidParameterException",
    ),
    Wrong(
        "tag-twice",
        "Duplicate tag keys found.",
        DOCS + ", tags",
        settings=tags("a", "a"),
        code="InvalidParameterException",
    ),
    Wrong(
        "compatibility",
        "requiresCompatibilities should be one of",
        DOCS,
        settings={"requiresCompatibilities": ["FARGATE", "MOON"]},
    ),
    # The containers as a list.
    Wrong("containers-none", "Container list cannot be empty.", BENCH + "pf-ecs-container-definitions-empty", []),
    Wrong("containers-11", "Too many containers.", ISSUES + "aws/amazon-ecs-cli/issues/184", [{} for _ in range(11)]),
    Wrong("container-nameless", "Container.name should not be null or empty.", DOCS, {"name": ""}),
    Wrong("container-name", "Container.name contains invalid characters.", DOCS + ", name", {"name": "a b"}),
    Wrong("container-name-long", "Container.name contains invalid characters.", DOCS + ", name", {"name": "n" * 256}),
    Wrong(
        "container-name-twice",
        "Container names must be unique within a task definition.",
        BENCH + "pf-ecs-duplicate-container-names",
        [{"name": "a"}, {"name": "a"}],
    ),
    Wrong("image-empty", "Container.image should not be null or empty.", DOCS, {"image": ""}),
    Wrong(
        "image-variable",
        "Container.image contains invalid characters.",
        "a pipeline's log that quotes ECS on $IMAGE_NAME",
        {"image": "$IMAGE_NAME"},
    ),
    Wrong(
        "none-essential",
        "Task definition doesn't have any essential container.",
        BENCH + "pf-ecs-essential-container",
        {"essential": False},
    ),
    # Size.
    Wrong(
        "cpu-missing",
        "Fargate requires that 'cpu' be defined at the task level.",
        BENCH + "pf-ecs-fargate-task-cpu-memory",
        settings={"cpu": None},
    ),
    Wrong(
        "memory-missing",
        "Fargate requires that 'memory' be defined at the task level.",
        BENCH + "pf-ecs-fargate-task-cpu-memory",
        settings={"memory": None},
    ),
    Wrong(
        "cpu-text",
        "Invalid 'cpu' setting for task.",
        ISSUES + "oranmoshai/ecsServiceRestart/issues/2",
        settings={"cpu": "lots"},
    ),
    Wrong(
        "memory-text",
        "Invalid 'memory' setting for task.",
        ISSUES + "oranmoshai/ecsServiceRestart/issues/2",
        settings={"memory": "lots"},
    ),
    Wrong(
        "size-pair", NO_SIZE.format(256, 4096), ISSUES + "aws/amazon-ecs-cli/issues/463", settings={"memory": "4096"}
    ),
    Wrong("size-cpu", NO_SIZE.format(300, 512), ISSUES + "aws/amazon-ecs-cli/issues/463", settings={"cpu": "300"}),
    Wrong(
        "size-windows",
        NO_SIZE.format(256, 512),
        BENCH + "pf-ecs-fargate-windows-cpu-under-1vcpu",
        settings={"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}},
    ),
    Wrong("container-memory", TOO_LARGE, ISSUES + "pulumi/pulumi-awsx/issues/1220", {"memory": 1024}),
    Wrong(
        "container-reservation",
        TOO_LARGE.replace("'memory'", "'memoryReservation'"),
        ISSUES + "pulumi/pulumi-awsx/issues/188",
        {"memoryReservation": 1024},
    ),
    Wrong(
        "container-cpu",
        "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
        ISSUES + "aws/aws-cdk/issues/1553",
        {"cpu": 512},
    ),
    Wrong(
        "containers-cpu",
        "The sum of all container 'cpu' values",
        BENCH + "pf-ecs-fargate-container-cpu-over-task",
        [{"cpu": 200}, {"cpu": 200}],
    ),
    Wrong(
        "containers-memory",
        "The sum of all container 'memory' values",
        DOCS + ", memory: the total must be lower than the task's",
        [{"memory": 300}, {"memory": 300}],
    ),
    Wrong(
        "reservation-over-limit",
        "'memory' must be greater than or equal to 'memoryReservation'.",
        BENCH + "pf-ecs-container-memory-reservation",
        {"memory": 128, "memoryReservation": 256},
    ),
    Wrong("memory-4", "'memory' must be at least 6.", DOCS + ", memory: no fewer than 6 MiB", {"memory": 4}),
    Wrong("cpu-negative", "'cpu' must not be negative.", DOCS, {"cpu": -1}),
    Wrong(
        "storage-20",
        "EphemeralStorage size should be at least 21.",
        BENCH + "pf-ecs-ephemeral-storage-range",
        settings={"ephemeralStorage": {"sizeInGiB": 20}},
    ),
    Wrong(
        "storage-201",
        "EphemeralStorage size should be at most 200.",
        BENCH + "pf-ecs-ephemeral-storage-range",
        settings={"ephemeralStorage": {"sizeInGiB": 201}},
    ),
    Wrong(
        "storage-on-ec2",
        "Tasks using the EC2 launch type do not support EphemeralStorage.",
        BENCH + "pf-ecs-fargate-ephemeral-storage-ec2",
        settings={"ephemeralStorage": {"sizeInGiB": 30}, "requiresCompatibilities": ["EC2"]},
    ),
    # The platform.
    Wrong(
        "network-bridge",
        "Fargate only supports network mode ‘awsvpc’.",
        DOCS + ", network mode; the message in many Terraform modules",
        settings={"networkMode": "bridge"},
    ),
    Wrong(
        "network-host",
        "Fargate only supports network mode ‘awsvpc’.",
        BENCH + "pf-ecs-fargate-network-mode",
        settings={"networkMode": "host"},
    ),
    Wrong(
        "network-none",
        "Fargate only supports network mode ‘awsvpc’.",
        BENCH + "pf-ecs-fargate-network-mode",
        settings={"networkMode": None},
    ),
    Wrong("network-word", "networkMode should be one of", DOCS, settings={"networkMode": "vpc"}),
    Wrong(
        "architecture",
        "cpuArchitecture should be one of [X86_64,ARM64]",
        DOCS + ", runtimePlatform",
        settings={"runtimePlatform": {"cpuArchitecture": "RISCV"}},
    ),
    Wrong(
        "system",
        "operatingSystemFamily should be one of [LINUX,",
        DOCS + ", runtimePlatform",
        settings={"runtimePlatform": {"operatingSystemFamily": "DARWIN"}},
    ),
    Wrong(
        "windows-arm",
        "The ARM64 cpuArchitecture is not supported",
        DOCS + ", runtimePlatform",
        settings={
            "cpu": "1024",
            "memory": "2048",
            "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "ARM64"},
        },
    ),
    Wrong(
        "pid-host",
        "Tasks using the Fargate launch type do not support pidMode 'host'.",
        BENCH + "pf-ecs-fargate-pid-mode-host",
        settings={"pidMode": "host"},
    ),
    Wrong("ipc", lacks("ipcMode"), BENCH + "pf-ecs-fargate-ipc-mode", settings={"ipcMode": "task"}),
    Wrong(
        "placement",
        lacks("constraints"),
        BENCH + "pf-ecs-fargate-placement-constraints",
        settings={"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}]},
    ),
    Wrong(
        "accelerator",
        "Unsupported field 'inferenceAccelerators'.",
        BENCH + "pf-ecs-fargate-inference-accelerator",
        settings={"inferenceAccelerators": [{"deviceName": "d", "deviceType": "eia2.medium"}]},
    ),
    # What only container instances have.
    Wrong(
        "privileged",
        "Fargate requires that the 'privileged' setting be 'false'.",
        BENCH + "pf-ecs-fargate-privileged",
        {"privileged": True},
    ),
    Wrong(
        "links", "Links are not supported when networkMode=awsvpc.", BENCH + "pf-ecs-fargate-links", {"links": ["db"]}
    ),
    Wrong(
        "gpu",
        "Tasks using the Fargate launch type do not support GPU resource requirements.",
        BENCH + "pf-ecs-fargate-gpu-resource",
        {"resourceRequirements": [{"type": "GPU", "value": "1"}]},
    ),
    Wrong(
        "no-network",
        "Disable Networking is not supported on container when networkMode=awsvpc.",
        BENCH + "pf-ecs-fargate-disable-networking",
        {"disableNetworking": True},
    ),
    Wrong(
        "dns",
        "DNS servers are not supported on container when networkMode=awsvpc.",
        BENCH + "pf-ecs-fargate-dns-servers",
        {"dnsServers": ["8.8.8.8"]},
    ),
    Wrong(
        "dns-search",
        "DNS search domains are not supported on container",
        DOCS + ", dnsSearchDomains",
        {"dnsSearchDomains": ["local"]},
    ),
    Wrong(
        "extra-hosts",
        "Extra hosts are not supported on container when networkMode=awsvpc.",
        BENCH + "pf-ecs-awsvpc-extra-hosts",
        {"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]},
    ),
    Wrong(
        "hostname",
        "hostname is not supported on container when networkMode=awsvpc.",
        BENCH + "pf-ecs-awsvpc-hostname",
        {"hostname": "h"},
    ),
    Wrong(
        "security-options",
        lacks("dockerSecurityOptions"),
        BENCH + "pf-ecs-fargate-docker-security-options",
        {"dockerSecurityOptions": ["no-new-privileges"]},
    ),
    Wrong("devices", lacks("devices"), BENCH + "pf-ecs-fargate-devices", linux(devices=[{"hostPath": "/dev/fuse"}])),
    Wrong(
        "shared-memory",
        lacks("sharedMemorySize"),
        BENCH + "pf-ecs-fargate-shared-memory-size",
        linux(sharedMemorySize=64),
    ),
    Wrong("tmpfs", lacks("tmpfs"), DOCS + ", tmpfs", linux(tmpfs=[{"containerPath": "/x", "size": 64}])),
    Wrong("swap", lacks("maxSwap"), BENCH + "pf-ecs-fargate-max-swap", linux(maxSwap=64)),
    Wrong("swappiness", lacks("swappiness"), DOCS + ", swappiness", linux(swappiness=10)),
    Wrong(
        "sys-admin",
        "SYS_ADMIN is not allowed on Fargate.",
        BENCH + "pf-ecs-fargate-capabilities-add",
        linux(capabilities={"add": ["SYS_ADMIN"]}),
    ),
    Wrong(
        "net-bind",
        "NET_BIND_SERVICE is not allowed on Fargate.",
        BENCH + "pf-ecs-fargate-capabilities-add",
        linux(capabilities={"add": ["SYS_PTRACE", "NET_BIND_SERVICE"]}),
    ),
    # Volumes.
    Wrong(
        "host-volume",
        lacks("sourcePath"),
        ISSUES + "cloudposse/terraform-aws-ecs-alb-service-task/issues/174",
        settings=volume(host={"sourcePath": "/var/logs"}),
    ),
    Wrong(
        "docker-volume",
        lacks("dockerVolumeConfiguration"),
        BENCH + "pf-ecs-fargate-docker-volume",
        settings=volume(dockerVolumeConfiguration={"scope": "task"}),
    ),
    Wrong(
        "fsx-volume",
        lacks("fsxWindowsFileServerVolumeConfiguration"),
        DOCS + ", volumes",
        settings=volume(
            fsxWindowsFileServerVolumeConfiguration={
                "fileSystemId": "fs-1",
                "rootDirectory": "x",
                "authorizationConfig": {"credentialsParameter": "p", "domain": "d"},
            }
        ),
    ),
    Wrong(
        "volume-unknown",
        "Unknown volume 'efs'.",
        BENCH + "pf-ecs-mountpoint-source-volume-missing",
        {"mountPoints": [{"sourceVolume": "efs", "containerPath": "/x"}]},
    ),
    Wrong(
        "volume-null",
        "Unknown volume 'null'.",
        ISSUES + "dask/dask-cloudprovider/pull/107",
        {"mountPoints": [{"containerPath": "/x"}]},
    ),
    Wrong(
        "mount-pathless",
        "Container path should not be null or empty.",
        DOCS,
        {"mountPoints": [{"sourceVolume": "v"}]},
        volume(),
    ),
    Wrong("volume-twice", "Duplicate volume name 'v'.", DOCS, settings={"volumes": [{"name": "v"}, {"name": "v"}]}),
    Wrong(
        "volumes-from",
        "Invalid 'volumesFrom' setting. Unknown container: 'x'",
        BENCH + "pf-ecs-volumesfrom-source-container-missing",
        {"volumesFrom": [{"sourceContainer": "x"}]},
    ),
    # Ports.
    Wrong(
        "ports-differ",
        "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        DOCS + ", portMappings; the message in many Terraform modules",
        {"portMappings": [{"containerPort": 80, "hostPort": 8080}]},
    ),
    Wrong(
        "port-name-twice",
        "port mapping name is already used",
        BENCH + "pf-ecs-port-mapping-duplicate-name",
        {"portMappings": [{"containerPort": 80, "name": "web"}, {"containerPort": 81, "name": "web"}]},
    ),
    Wrong(
        "port-and-range",
        "cannot specify both single port and port range.",
        BENCH + "pf-ecs-port-range-with-host-port",
        {"portMappings": [{"containerPort": 80, "containerPortRange": "80-90"}]},
    ),
    Wrong("port-large", "a port must be between 0 and 65535.", DOCS, {"portMappings": [{"containerPort": 70000}]}),
    Wrong(
        "protocol",
        "Port mapping protocol should be one of [tcp,udp].",
        DOCS,
        {"portMappings": [{"containerPort": 80, "protocol": "sctp"}]},
    ),
    # Logs, and the role that fetches things.
    Wrong(
        "logs-no-role",
        "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ISSUES + "virtual-kubelet/virtual-kubelet/issues/193",
        logs(**LOGS),
        NO_ROLE,
    ),
    Wrong(
        "ecr-no-role",
        "Fargate requires task definition to have execution role ARN to support ECR images.",
        ISSUES + "jenkinsci/amazon-ecs-plugin/pull/62",
        {"image": ECR},
        NO_ROLE,
    ),
    Wrong(
        "secrets-no-role",
        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ISSUES + "fabfuel/ecs-deploy/issues/87",
        {"secrets": [{"name": "S", "valueFrom": "s"}]},
        NO_ROLE,
    ),
    Wrong(
        "private-no-role",
        "Private repository authentication requires that the task definition specify a value for executionRoleArn.",
        ISSUES + "sil-org/ecs-deploy/issues/188",
        {"repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"}},
        NO_ROLE,
    ),
    Wrong(
        "files-no-role",
        "When you are specifying environment files, you must also specify a value for 'executionRoleArn'.",
        DOCS + ", environmentFiles",
        {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.env"}]},
        NO_ROLE,
    ),
    Wrong(
        "json-file",
        "json-file is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
        BENCH + "pf-ecs-fargate-log-driver-unsupported",
        logs("json-file"),
    ),
    Wrong(
        "syslog", "syslog is not a valid log driver.", BENCH + "pf-ecs-fargate-log-driver-unsupported", logs("syslog")
    ),
    Wrong(
        "logs-no-group",
        "Log driver awslogs requires options: awslogs-group",
        BENCH + "pf-ecs-awslogs-missing-group",
        logs(**{**LOGS, "awslogs-group": ""}),
    ),
    Wrong(
        "logs-no-prefix",
        "Fargate requires log configuration options to include awslogs-stream-prefix",
        BENCH + "pf-ecs-awslogs-fargate-missing-stream-prefix",
        logs(**{**LOGS, "awslogs-stream-prefix": ""}),
    ),
    Wrong(
        "logs-option",
        "Log driver awslogs disallows options: log_key",
        ISSUES + "aws-samples/amazon-ecs-firelens-examples/issues/83",
        logs(**LOGS, log_key="log"),
    ),
    Wrong(
        "firelens",
        "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be",
        BENCH + "pf-ecs-awsfirelens-without-router",
        logs("awsfirelens"),
    ),
    Wrong(
        "env-file-arn",
        "Invalid arn syntax.",
        BENCH + "pf-ecs-environment-files-type",
        {"environmentFiles": [{"type": "s3", "value": "s3://b/a.env"}]},
    ),
    Wrong(
        "env-file-name",
        "must have a .env file extension.",
        DOCS + ", environmentFiles",
        {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.txt"}]},
    ),
    Wrong(
        "env-files-11",
        "The maximum number of environment files was exceeded.",
        BENCH + "pf-ecs-environment-files-max",
        {"environmentFiles": [{"type": "s3", "value": f"arn:aws:s3:::b/{n}.env"} for n in range(11)]},
    ),
    # Order, health, ends.
    Wrong(
        "depends-unknown",
        "Cannot depend on container x because it does not exist.",
        BENCH + "pf-ecs-dependson-container-missing",
        depends("x", "START"),
    ),
    Wrong(
        "depends-circle", "Container dependencies must not be circular.", DOCS + ", dependsOn", depends("app", "START")
    ),
    Wrong(
        "depends-word", "Invalid container dependency condition: READY", DOCS + ", dependsOn", depends("app", "READY")
    ),
    Wrong(
        "depends-essential",
        "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container.",
        BENCH + "pf-ecs-dependson-complete-on-essential",
        [depends("app1", "SUCCESS"), {}],
    ),
    Wrong(
        "depends-unhealthy",
        "A dependency container with HEALTHY condition must have health check configured.",
        BENCH + "pf-ecs-dependson-healthy-without-healthcheck",
        [depends("app1", "HEALTHY"), {}],
    ),
    Wrong(
        "health-empty",
        "healthCheck.command should not be null or empty.",
        DOCS + ", healthCheck",
        {"healthCheck": {"command": []}},
    ),
    Wrong(
        "health-interval",
        "healthCheck.interval must be between 5 and 300.",
        BENCH + "pf-ecs-healthcheck-interval-range",
        {"healthCheck": {**HEALTH, "interval": 1}},
    ),
    Wrong(
        "health-timeout",
        "healthCheck.timeout must be between 2 and 60.",
        BENCH + "pf-ecs-healthcheck-timeout-range",
        {"healthCheck": {**HEALTH, "timeout": 61}},
    ),
    Wrong(
        "health-retries",
        "healthCheck.retries must be between 1 and 10.",
        BENCH + "pf-ecs-healthcheck-retries-range",
        {"healthCheck": {**HEALTH, "retries": 11}},
    ),
    Wrong(
        "health-start",
        "healthCheck.startPeriod must be between 0 and 300.",
        BENCH + "pf-ecs-healthcheck-start-period-range",
        {"healthCheck": {**HEALTH, "startPeriod": 301}},
    ),
    Wrong(
        "restart-period",
        "the 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800.",
        BENCH + "pf-ecs-restart-policy-attempt-period-range",
        {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 30}},
    ),
    Wrong(
        "stop-long",
        "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
        DOCS + ", stopTimeout",
        {"stopTimeout": 121},
    ),
    Wrong(
        "stop-short",
        "Granular stop timeout on container 'app' must be at least 2 seconds.",
        DOCS + ", stopTimeout: 2 to 120",
        {"stopTimeout": 1},
    ),
    Wrong(
        "start-short",
        "Granular start timeout on container 'app' must be at least 2 seconds.",
        DOCS + ", startTimeout: 2 to 120",
        {"startTimeout": 1},
    ),
]


def register(ecs: Ecs, containers: Any, settings: Any) -> Any:
    """What ``Ecs.define`` sends, but for the settings that are None."""
    request = {"family": "refused", "executionRoleArn": ecs.execution_role, **settings}
    dropped = [name for name, value in request.items() if value is None]
    full = [
        {"name": f"app{number}" if number else "app", "image": "host", **container}
        for number, container in enumerate(containers)
    ]
    right = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
    right = {name: value for name, value in {**right, **request}.items() if name not in dropped}
    return ecs.api.register_task_definition(**right, containerDefinitions=full)


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_what_ecs_refuses_is_refused_in_its_words(ecs: Ecs, case: Any) -> None:
    containers = case.container if isinstance(case.container, list) else [case.container]
    with pytest.raises(ClientError) as caught:
        register(ecs, containers, case.settings)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (case.code, 400)
    assert case.message in response["Error"]["Message"]


def test_the_cases_are_many_and_each_has_a_source() -> None:
    assert len(WRONG) >= 78
    assert len({case.name for case in WRONG}) == len(WRONG)
    assert all(case.source for case in WRONG)


AWSLOGS = logs(**LOGS, **{"awslogs-create-group": "true", "mode": "non-blocking", "max-buffer-size": "25m"})
RIGHT: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "airflow-operator": (
        [{"image": "ubuntu", "workingDirectory": "/usr/bin", "entryPoint": ["sh", "-c"], "command": ["ls"]}],
        {**NO_ROLE, "requiresCompatibilities": ["FARGATE"]},
    ),
    "airflow-executor": (
        [
            {
                "image": ECR,
                "essential": True,
                "portMappings": [{"name": "a", "containerPort": 8793, "hostPort": 8793, "protocol": "tcp"}],
                "environment": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}],
                "secrets": [{"name": "DB", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/db"}],
                **AWSLOGS,
            }
        ],
        {"cpu": "1 vCPU", "memory": "2 GB", "runtimePlatform": {"operatingSystemFamily": "LINUX"}},
    ),
    "dagster-launcher": (
        [
            {
                "image": "dagster/dagster:1.9",
                "command": [],
                "entryPoint": [],
                "dependsOn": [{"containerName": "agent", "condition": "HEALTHY"}],
                "mountPoints": [{"sourceVolume": "shared", "containerPath": "/opt/shared"}],
                "linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}, "initProcessEnabled": True},
                "ulimits": [{"name": "nofile", "softLimit": 65535, "hardLimit": 65535}],
                **AWSLOGS,
            },
            {"name": "agent", "image": "agent:1", "essential": False, "healthCheck": {**HEALTH, "interval": 5}},
        ],
        {
            "volumes": [{"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}],
            "ephemeralStorage": {"sizeInGiB": 100},
            "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
            "taskRoleArn": "task-role",
            "tags": [{"key": "dagster/run_id", "value": "1"}],
        },
    ),
    "prefect-worker": (
        [{"name": "prefect", "image": "prefecthq/prefect:3-python3.11", "environment": [], "tags": None, **AWSLOGS}],
        {"cpu": "1024", "memory": "2048", "taskRoleArn": "arn:aws:iam::123456789012:role/path/of/prefect"},
    ),
    "copilot-service": (
        [
            {
                "image": ECR,
                "portMappings": [{"containerPort": 80, "protocol": "tcp", "name": "target"}],
                "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/manual/env/1.env"}],
                "readonlyRootFilesystem": True,
                "stopTimeout": 120,
                "user": "1000:1000",
                "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}],
                "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost || exit 1"], "startPeriod": 0},
                "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
                "restartPolicy": {"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 60},
                **AWSLOGS,
            },
            {
                "name": "init",
                "image": "init:1",
                "essential": False,
                "memoryReservation": 64,
                "volumesFrom": [{"sourceContainer": "app", "readOnly": False}],
                "logConfiguration": {"logDriver": "awsfirelens"},
                "firelensConfiguration": {"type": "fluentbit"},
            },
        ],
        {"volumes": [{"name": "data"}, {"name": "copilot-tmp", "host": {}}], "pidMode": "task"},
    ),
    "windows": (
        [{"image": "mcr.microsoft.com/windows/servercore:ltsc2022"}],
        {
            "cpu": "1024",
            "memory": "2048",
            "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "X86_64"},
        },
    ),
    "no-role-for-docker-hub": ([{"image": "public.ecr.aws/docker/library/busybox:latest"}], NO_ROLE),
    "the-whole-task": ([{"cpu": 128, "memory": 256}, {"cpu": 128, "memory": 256}], {}),
    "ten-containers": ([{} for _ in range(10)], {}),
    "for-instances": (
        [{"privileged": True, "memory": 128, "links": ["x:y"], **logs("json-file")}],
        {
            "requiresCompatibilities": ["EC2"],
            "networkMode": "bridge",
            "volumes": [{"name": "h", "host": {"sourcePath": "/x"}}],
        },
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_launchers_register_is_taken(ecs: Ecs, name: str) -> None:
    containers, settings = RIGHT[name]
    containers = [{key: value for key, value in each.items() if value is not None} for each in containers]
    definition = register(ecs, containers, {"family": f"taken-{name}", **settings})["taskDefinition"]
    assert definition["status"] == "ACTIVE"
    described = ecs.api.describe_task_definition(taskDefinition=f"taken-{name}")["taskDefinition"]
    assert len(described["containerDefinitions"]) == len(containers)


def test_what_is_not_obeyed_is_named_in_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    containers, settings = RIGHT["dagster-launcher"]
    containers = [{"name": "run", **containers[0], "interactive": True}, containers[1]]
    request = {
        "family": "f",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": "execution",
        "containerDefinitions": containers,
        **settings,
    }
    del request["runtimePlatform"]
    check_definition(request)
    (message,) = [record.getMessage() for record in caplog.records]
    for words in ("task definition f: ignored: ", "ephemeralStorage", "efsVolumeConfiguration of volume shared"):
        assert words in message
    assert "interactive of container run, initProcessEnabled of container run" in message
    caplog.clear()
    del request["ephemeralStorage"]
    request["volumes"] = [{"name": "shared"}]
    request["containerDefinitions"] = [{"name": "run", "image": "host"}]
    check_definition(request)
    assert caplog.records == []
