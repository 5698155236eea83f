"""Removes the stacks of an environment; those that hold data only where they are named."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from datavision.aws import checked_client
from datavision.config import Config
from datavision.infra.cloudformation import StackEdge
from datavision.infra.deploy import present_stacks
from datavision.infra.errors import InfraError
from datavision.infra.stacks import Stack, stacks, templates_dir

_ABSENT = ("NotFound", "NoSuchBucket", "404")
"""What the error codes of things that are gone have in common."""


@dataclass(frozen=True)
class Destruction:
    """What would go, and what stays and why."""

    gone: tuple[str, ...]
    """Stacks, the one deployed last first."""
    kept: Mapping[str, str]
    """Stack → why it stays."""


def plan_destruction(config: Config, data: Collection[str]) -> Destruction:
    """Return what `destroy` would do; `data` names parts that hold data and are to go all the same.

    Raises:
        InfraError: `data` names a part that holds none, or a stack is protected from termination.
    """
    present = present_stacks(checked_client(config, "cloudformation"))
    every = [stack for stack in stacks(config, templates_dir(), "") if stack.name in present]
    holding = {stack.part for stack in every if stack.holds_data}
    if unknown := sorted(set(data) - holding):
        raise InfraError(
            f"{', '.join(unknown)} holds no data here. Name any of: {', '.join(sorted(holding)) or 'none is there'}."
        )
    kept = {stack.name: "holds data" for stack in every if stack.part in holding - set(data)}
    for stack in every:
        importers = [other.name for other in every if other.name in kept and other.imports_from(stack)]
        if importers and stack.name not in kept:
            kept[stack.name] = f"{importers[0]} needs it"
    gone = tuple(stack.name for stack in reversed(every) if stack.name not in kept)
    protected = [name for name in gone if present[name].get("EnableTerminationProtection")]
    if protected:
        raise InfraError(
            f"{', '.join(protected)} is protected from termination. Nothing was removed. If {config.env} is really to "
            f"go, set aws.termination_protection = false in config/{config.env}.toml and run `datavision infra deploy "
            f"--env {config.env}` first."
        )
    return Destruction(gone, kept)


def destroy(config: Config, planned: Destruction, *, report: Callable[[str], None] = lambda _: None) -> None:
    """Remove the stacks of `planned`; of those that hold data also what their templates keep.

    Raises:
        InfraError: a stack could not be removed; the text says which resource stands in the way.
    """
    cloudformation = checked_client(config, "cloudformation")
    by_name = {stack.name: stack for stack in stacks(config, templates_dir(), "")}
    for name in planned.gone:
        resources = _resources(cloudformation, by_name[name]) if by_name[name].holds_data else []
        for kind, identifier in resources:
            if kind == "AWS::S3::Bucket":  # before, because CloudFormation deletes no bucket with objects in it
                _empty(config, identifier, report)
        edge = StackEdge(cloudformation, name, report)
        edge.mark()
        edge.delete()
        for kind, identifier in resources:
            _delete(config, kind, identifier, report)
        report(f"{name}: removed")


def _resources(cloudformation: Any, stack: Stack) -> list[tuple[str, str]]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
    return [
        (resource["ResourceType"], resource["PhysicalResourceId"])
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource.get("PhysicalResourceId")
    ]


def _empty(config: Config, bucket: str, report: Callable[[str], None]) -> None:
    s3 = checked_client(config, "s3")
    count, kept = 0, []
    # Who destroys an environment of mode GOVERNANCE may; of mode COMPLIANCE nobody may.
    past_lock = {"BypassGovernanceRetention": True} if bucket == config.storage.audit_bucket else {}
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            listed = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            if listed:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": listed, "Quiet": True}, **past_lock)
                count += len(listed) - len(answer.get("Errors", []))
                kept += answer.get("Errors", [])
    except ClientError as error:
        _unless_absent(error)
        return
    report(f"{bucket}: {count:,} object versions deleted")
    if kept:
        raise InfraError(
            f"{bucket} keeps {len(kept):,} object versions ({kept[0]['Message']}). Records of mode COMPLIANCE stay for "
            "storage.audit_lock_days: leave the stack `storage` where it is until then."
        )


def _delete(config: Config, kind: str, identifier: str, report: Callable[[str], None]) -> None:
    """Delete what the stack let go of. The database's last snapshot stays: that is what its template says."""
    calls: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
        "AWS::S3::Bucket": ("s3", "delete_bucket", {"Bucket": identifier}),
        "AWS::ECR::Repository": ("ecr", "delete_repository", {"repositoryName": identifier, "force": True}),
        "AWS::Logs::LogGroup": ("logs", "delete_log_group", {"logGroupName": identifier}),
        "AWS::SecretsManager::Secret": (
            "secretsmanager",
            "delete_secret",
            {"SecretId": identifier, "ForceDeleteWithoutRecovery": True},
        ),
    }
    if kind not in calls:
        return
    service, operation, arguments = calls[kind]
    try:
        getattr(checked_client(config, service), operation)(**arguments)
    except ClientError as error:
        _unless_absent(error)
        return
    report(f"{identifier}: deleted")


def _unless_absent(error: ClientError) -> None:
    if not any(part in error.response["Error"]["Code"] for part in _ABSENT):
        raise error
