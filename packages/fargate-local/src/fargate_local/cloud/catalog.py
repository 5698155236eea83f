"""What ECS needs to know from its neighbours: clusters, task definitions, networks, roles, images, secrets."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import ClientError as BotoClientError
from botocore.exceptions import ParamValidationError

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.protocol import reasons
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.errors import (
    ClientError,
    ClusterNotFoundError,
    InvalidParameterError,
    StartError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet of moto's EC2."""

    subnet_id: str
    vpc_id: str
    zone: str
    block: str


class Catalog:
    """Answers about moto's state, cached until moto's state changes."""

    def __init__(self, gate: MotoGate, clients: CloudClients) -> None:
        self._gate = gate
        self._clients = clients
        self._lock = threading.Lock()
        self._generation = -1
        self._known: dict[tuple[Any, ...], Any] = {}

    def cluster(self, region: str, identifier: str | None) -> dict[str, Any]:
        """Return an active cluster by name or ARN; `default` when no name is given.

        Raises:
            ClusterNotFoundError: There is no such cluster, or it was deleted.
        """
        name = last_part(identifier or "default")

        def ask() -> dict[str, Any] | None:
            found = self._clients.get("ecs", region).describe_clusters(clusters=[name])["clusters"]
            return found[0] if found and found[0]["status"] == "ACTIVE" else None

        cluster = self._once(("cluster", region, name), ask)
        if cluster is None:
            raise ClusterNotFoundError
        return cluster

    def environment_file(self, arn: str) -> str:
        """Return the text of an S3 object.

        Raises:
            StartError: The object cannot be read; the text is ECS's.
        """
        bucket, _, key = arn.split(":::", 1)[1].partition("/")
        try:
            # Objects are data: they change without a new generation, so this is never remembered.
            content = self._clients.get("s3", "us-east-1").get_object(Bucket=bucket, Key=key)["Body"].read()
        except BotoClientError as error:
            raise StartError(reasons.environment_file_missing(bucket, key, described(error))) from error
        text: str = content.decode("utf-8", "replace")
        return text

    def task_definition(self, region: str, identifier: str, *, inactive: bool = False) -> dict[str, Any]:
        """Return a task definition, with its `tags`, by family, `family:revision` or ARN.

        Raises:
            ClientError: There is no such definition, or it is inactive and those are not asked for.
        """
        definition = self._once(("definition", region, identifier), lambda: self._definition(region, identifier))
        if definition is None:
            message = "TaskDefinition not found."
            raise ClientError(message)
        if definition["status"] != "ACTIVE" and not inactive:
            message = "TaskDefinition is inactive"
            raise ClientError(message)
        return definition

    def _definition(self, region: str, identifier: str) -> dict[str, Any] | None:
        ecs = self._clients.get("ecs", region)
        name = last_part(identifier)
        if ":" not in name:
            active = ecs.list_task_definitions(familyPrefix=name, status="ACTIVE", sort="DESC")["taskDefinitionArns"]
            exact = [arn for arn in active if last_part(arn).rpartition(":")[0] == name]
            if not exact:
                return None
            name = last_part(max(exact, key=lambda arn: int(arn.rpartition(":")[2])))
        if not name.rpartition(":")[2].isdigit():
            return None
        try:
            answer = ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
        except BotoClientError:
            return None
        return {**answer["taskDefinition"], "tags": answer.get("tags", [])}

    def subnets(self, region: str, identifiers: list[str]) -> list[Subnet]:
        """Return the subnets with these ids.

        Raises:
            InvalidParameterError: One does not exist; the message quotes EC2.
        """
        return [self._subnet(region, identifier) for identifier in identifiers]

    def _subnet(self, region: str, identifier: str) -> Subnet:
        def ask() -> Subnet | str:
            try:
                found = self._clients.get("ec2", region).describe_subnets(SubnetIds=[identifier])["Subnets"][0]
            except BotoClientError as error:
                return described(error)
            return Subnet(identifier, found["VpcId"], found["AvailabilityZone"], found["CidrBlock"])

        answer = self._once(("subnet", region, identifier), ask)
        if isinstance(answer, str):
            message = f"Error retrieving subnet information for [{identifier}]: {answer}"
            raise InvalidParameterError(message)
        return answer

    def check_security_groups(self, region: str, identifiers: list[str], vpc: str) -> None:
        """Check that security groups exist and belong to the VPC `vpc`.

        Raises:
            InvalidParameterError: One does not.
        """
        for identifier in identifiers:
            answer = self._once(("group", region, identifier), partial(self._security_group, region, identifier))
            if answer.startswith("!"):
                message = f"Error retrieving security group information for [{identifier}]: {answer[1:]}"
                raise InvalidParameterError(message)
            if answer != vpc:
                message = f"Security group {identifier} does not appear to belong to the same VPC as the input subnets."
                raise InvalidParameterError(message)

    def _security_group(self, region: str, identifier: str) -> str:
        """Return the group's VPC, or `!` followed by EC2's error message."""
        try:
            found = self._clients.get("ec2", region).describe_security_groups(GroupIds=[identifier])
        except BotoClientError as error:
            return f"!{described(error)}"
        vpc: str = found["SecurityGroups"][0]["VpcId"]
        return vpc

    def default_security_group(self, region: str, vpc: str) -> str:
        """Return the group of a VPC that ECS takes when none is named."""

        def ask() -> str:
            filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
            found = self._clients.get("ec2", region).describe_security_groups(Filters=filters)["SecurityGroups"]
            return found[0]["GroupId"] if found else ""

        return self._once(("default-group", region, vpc), ask)

    def target_group(self, region: str, arn: str) -> dict[str, Any] | None:
        """Return a target group of ELB, or None."""

        def ask() -> dict[str, Any] | None:
            try:
                found: list[dict[str, Any]] = self._clients.get("elbv2", region).describe_target_groups(
                    TargetGroupArns=[arn]
                )["TargetGroups"]
            except BotoClientError:
                return None
            return found[0] if found else None

        return self._once(("target-group", region, arn), ask)

    def has_registry(self, region: str, arn: str) -> bool:
        """Return whether Cloud Map has the service of this ARN."""

        def ask() -> bool:
            try:
                self._clients.get("servicediscovery", region).get_service(Id=last_part(arn))
            except BotoClientError:
                return False
            return True

        return self._once(("registry", region, arn), ask)

    def has_role(self, arn: str) -> bool:
        """Return whether IAM knows the role."""

        def ask() -> bool:
            try:
                self._clients.get("iam", "us-east-1").get_role(RoleName=last_part(arn))
            except BotoClientError:
                return False
            return True

        return self._once(("role", arn), ask)

    def image_digest(self, region: str, repository: str, tag: str | None, digest: str | None) -> str | None:
        """Return the digest that ECR has for a tag or a digest, or None."""

        def ask() -> str | None:
            wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
            try:
                answer = self._clients.get("ecr", region).batch_get_image(repositoryName=repository, imageIds=[wanted])
            except (BotoClientError, ParamValidationError):
                return None
            return answer["images"][0]["imageId"]["imageDigest"] if answer["images"] else None

        return self._once(("image", region, repository, tag, digest), ask)

    def image_bytes(self, region: str, repository: str, tag: str | None, digest: str | None) -> int:
        """Return the size of an image's layers, as its manifest in ECR has them; 0 when there is no such image."""

        def ask() -> int:
            wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
            try:
                answer = self._clients.get("ecr", region).batch_get_image(repositoryName=repository, imageIds=[wanted])
                manifest = json.loads(answer["images"][0]["imageManifest"])
                return sum(int(layer["size"]) for layer in manifest["layers"])
            except (BotoClientError, ParamValidationError, LookupError, ValueError):
                return 0

        return self._once(("image-bytes", region, repository, tag, digest), ask)

    def has_log_group(self, region: str, name: str) -> bool:
        """Return whether CloudWatch Logs has the group."""

        def ask() -> bool:
            groups = self._clients.get("logs", region).describe_log_groups(logGroupNamePrefix=name)["logGroups"]
            return any(group["logGroupName"] == name for group in groups)

        return self._once(("log-group", region, name), ask)

    def make_log_group(self, region: str, name: str) -> None:
        """Create the log group unless it exists."""
        logs = self._clients.get("logs", region)
        try:
            logs.create_log_group(logGroupName=name)
        except logs.exceptions.ResourceAlreadyExistsException:
            return

    def secret(self, region: str, value_from: str) -> str:
        """Return the value that a `valueFrom` refers to.

        Raises:
            StartError: It cannot be read; the text is ECS's.
        """
        answer: tuple[bool, str] = self._once(("secret", region, value_from), lambda: self._secret(region, value_from))
        found, text = answer
        if not found:
            raise StartError(text)
        return text

    def _secret(self, region: str, value_from: str) -> tuple[bool, str]:
        if ":secretsmanager:" in value_from:
            return self._secrets_manager(value_from)
        name = value_from
        if value_from.startswith("arn:"):
            parts = value_from.split(":", 5)
            region, resource = parts[3], parts[5].removeprefix("parameter")
            name = resource if resource.count("/") > 1 else resource.lstrip("/")
        try:
            answer = self._clients.get("ssm", region).get_parameter(Name=name, WithDecryption=True)
        except BotoClientError:
            return False, reasons.parameter_missing(name)
        return True, answer["Parameter"]["Value"]

    def _secrets_manager(self, value_from: str) -> tuple[bool, str]:
        parts = value_from.split(":")
        arn, region = ":".join(parts[:7]), parts[3]
        key, stage, version = [*parts[7:10], "", "", ""][:3]
        request = {"SecretId": arn}
        if stage:
            request["VersionStage"] = stage
        if version:
            request["VersionId"] = version
        try:
            answer = self._clients.get("secretsmanager", region).get_secret_value(**request)
        except BotoClientError as error:
            detail = f"failed to fetch secret {arn} from secrets manager: {described(error)}"
            return False, reasons.secret_missing(detail)
        text: str = answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
        if not key:
            return True, text
        try:
            value = json.loads(text)[key]
        except (ValueError, KeyError, TypeError):
            detail = f"retrieved secret from Secrets Manager did not contain json key {key}"
            return False, reasons.secret_missing(detail)
        return True, value if isinstance(value, str) else json.dumps(value)

    def _once(self, key: tuple[Any, ...], ask: Callable[[], T]) -> T:
        """Return the answer to a question, asked again only after a change."""
        with self._lock:
            if self._generation != self._gate.generation:
                self._known.clear()
                self._generation = self._gate.generation
            if key in self._known:
                answer: T = self._known[key]
                return answer
            generation = self._generation
        answer = ask()
        with self._lock:
            if generation == self._gate.generation == self._generation:
                self._known[key] = answer
        return answer


def described(error: BotoClientError) -> str:
    """Return another service's error as ECS quotes it."""
    detail = error.response["Error"]
    return f"{detail['Message']} (ErrorCode: {detail['Code']})"
