"""The reasons that ECS gives for a stopped task.

Texts: Amazon ECS developer guide, "Stopped tasks error messages", "CannotPullContainer task errors",
"ResourceInitializationError" and "Fargate capacity providers" (read November 2026), and amazon-ecs-agent for the
agent's own.
"""

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
ESSENTIAL_EXITED = "Essential container in task exited"
STOPPED_BY_USER = "Task stopped by user"
SPOT_INTERRUPTED = "Your Spot Task was interrupted."
HOST_LOST = "ECS is performing maintenance on the underlying infrastructure hosting the task."
ENI_TIMEOUT = "Timeout waiting for network interface provisioning to complete."
CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
RESOURCE_ENI = "RESOURCE:ENI"

SECRETS_PREFIX = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
)
PULL_PREFIX = "CannotPullContainerError: pull image manifest has been retried"
START_PREFIX = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to"
    " create shim task: OCI runtime create failed: runc create failed: unable to start container process:"
)


def pull_failed(reference: str, detail: str, *, retried: int = 1) -> str:
    """Return the reason for an image that cannot be resolved."""
    return f"{PULL_PREFIX} {retried} time(s): failed to resolve ref {reference}: {detail}"


def no_room(digest: str | None) -> str:
    """Return the reason for images that are larger than the task's storage (anomalyco/sst#3542)."""
    return (
        f"CannotPullContainerError: ref pull has been retried 1 time(s): failed to extract layer {digest}: write"
        " /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs: no space left on device: unknown"
    )


def pull_timed_out(reference: str) -> str:
    """Return the reason for a registry that does not answer."""
    host = reference.partition("/")[0]
    return pull_failed(reference, f'failed to do request: Head "https://{host}/v2/": dial tcp: i/o timeout', retried=5)


def secret_missing(detail: str) -> str:
    """Return the reason for a secret in Secrets Manager that cannot be read."""
    return f"{SECRETS_PREFIX} unable to retrieve secret from asm: service call has been retried 1 time(s): {detail}"


def parameter_missing(name: str) -> str:
    """Return the reason for an SSM parameter that does not exist."""
    return (
        f"{SECRETS_PREFIX} unable to retrieve secrets from ssm: service call has been retried 1 time(s):"
        f" invalid ssm parameters: {name}"
    )


def secret_unreachable(region: str) -> str:
    """Return the reason for a subnet with no route to Secrets Manager."""
    return (
        f"{SECRETS_PREFIX} unable to retrieve secret from asm: service call has been retried 5 time(s): failed to"
        f" fetch secret from secrets manager: RequestCanceled: request context canceled caused by: context deadline"
        f" exceeded (secretsmanager.{region}.amazonaws.com)"
    )


def parameter_unreachable() -> str:
    """No way from the subnet to SSM."""
    return (
        f"{SECRETS_PREFIX} unable to retrieve secrets from ssm: service call has been retried 5 time(s):"
        " RequestCanceled: request context canceled caused by: context deadline exceeded"
    )


def parameters_refused(detail: str) -> str:
    """Return the reason for an execution role that may not read a parameter."""
    return f"{SECRETS_PREFIX} unable to retrieve secrets from ssm: service call has been retried 1 time(s): {detail}"


def registry_refused(detail: str) -> str:
    """Return the reason for an execution role that may not log in to ECR."""
    return f"{SECRETS_PREFIX} unable to retrieve ecr registry auth: service call has been retried 1 time(s): {detail}"


def registry_unreachable(region: str, address: str) -> str:
    """No way from the subnet to ECR (aws/copilot-cli#5927)."""
    return (
        "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from"
        " Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network"
        f' configuration. RequestError: send request failed caused by: Post "https://api.ecr.{region}.amazonaws.com/":'
        f" dial tcp {address}:443: i/o timeout"
    )


def pull_forbidden(reference: str, manifest: str) -> str:
    """Return the reason for an execution role that may not pull from a repository (aws/aws-cdk#29876)."""
    host = reference.partition("/")[0]
    return pull_failed(
        reference, f"pulling from host {host} failed with status code [manifests {manifest}]: 403 Forbidden"
    )


def layers_timed_out(reference: str, region: str) -> str:
    """No way from the subnet to S3, where ECR keeps the layers."""
    bucket = f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"
    return (
        f"CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed open:"
        f' failed to do request: Get "https://{bucket}/": dial tcp: i/o timeout: {reference}'
    )


def layers_forbidden(reference: str, region: str) -> str:
    """Return the reason for an endpoint of S3 whose policy leaves out the bucket where ECR keeps the layers.

    ECR user guide, "Amazon ECR interface VPC endpoints": the bucket that it has to name; words: containerd's.
    """
    bucket = f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"
    return (
        f"CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReadSeeker: failed open:"
        f" unexpected status code https://{bucket}/: 403 Forbidden: {reference}"
    )


def logs_refused(what: str, detail: str) -> str:
    """Return the reason for an execution role that may not create a stream or a group.

    Words: terraform-aws-modules/terraform-aws-ecs#313.
    """
    return (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to"
        f" create Cloudwatch log {what}: {detail} : exit status 1"
    )


def logs_unreachable(region: str, address: str) -> str:
    """No way from the subnet to CloudWatch Logs."""
    return (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to"
        " create Cloudwatch log stream: RequestError: send request failed caused by: Post"
        f' "https://logs.{region}.amazonaws.com/": dial tcp {address}:443: i/o timeout : exit status 1'
    )


def cannot_assume(role: str) -> str:
    """Return the message about a role that does not exist or does not trust ECS."""
    return (
        f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being"
        " passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this"
        " role."
    )


def log_group_missing() -> str:
    """Return the reason for a log group that does not exist and may not be created."""
    return (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to"
        " create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit"
        " status 1"
    )


def environment_file_missing(bucket: str, key: str, detail: str) -> str:
    """Return the reason for an environment file that cannot be read."""
    return (
        "ResourceInitializationError: failed to download env files: file download command: non empty error stream:"
        f" service call has been retried 1 time(s): failed to download s3://{bucket}/{key}: {detail}"
    )


def dependency_timed_out(name: str, target: str) -> str:
    """Return the reason for a container that did not reach the awaited state within its `startTimeout`.

    Text: amazon-ecs-agent.
    """
    return f"dependency graph: container ordering dependency [{name}] for target [{target}] has timed out."


def dependency_failed(name: str, target: str) -> str:
    """Return the reason for a container whose `dependsOn: SUCCESS` cannot be met.

    Text: amazon-ecs-agent, agent/engine/dependencygraph.
    """
    return (
        f"dependency graph: failed to resolve container ordering dependency [{name}] for target [{target}] as"
        " dependency did not exit successfully."
    )
