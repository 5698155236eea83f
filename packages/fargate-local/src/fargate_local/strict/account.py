"""What the account holds that permissions depend on, read from moto's memory: principals, policies, tags.

Read there and not by API calls, because every call of a strict server asks for several of these.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from fargate_local.cloud.used_backends import used_backend
from fargate_local.protocol.arns import ACCOUNT, last_part
from fargate_local.strict.policy import Policies, Principal, Statement, parse_policy

GLOBAL: Final = "aws"


def extend(service: str, client: Any) -> None:
    """Have moto evaluate no bucket policies, whose conditions it does not read: a strict server does, others do not."""
    if service not in ("s3", "cloudformation"):
        return
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)  # noqa: B010 - mypy knows the method


def backend(service: str, region: str = GLOBAL) -> Any:
    """Return moto's memory of a service in a region; None when it was never used."""
    return used_backend(service, region)


def role_named(arn: str) -> Any:
    """Return moto's role with this ARN; None when there is none."""
    iam = backend("iam")
    return next((role for role in list(iam.roles.values()) if role.arn == arn), None) if iam else None


def tags_of_entity(entity: Any) -> dict[str, str]:
    """Return the tags of a role or user of IAM."""
    tags = getattr(entity, "tags", None) or []
    return {tag["Key"]: tag["Value"] for tag in (tags.values() if isinstance(tags, dict) else tags)}


def role_session(arn: str, session: str, source: Mapping[str, tuple[str, ...]] | None = None) -> Principal:
    """Return the principal that calls in a session of a role; `source` are further condition keys."""
    name = last_part(arn)
    role = role_named(arn)
    context: dict[str, tuple[str, ...]] = {
        "aws:PrincipalArn": (arn,),
        "aws:PrincipalAccount": (ACCOUNT,),
        "aws:PrincipalType": ("AssumedRole",),
        "aws:userid": (f"{role.id if role else name}:{session}",),
        **{f"aws:PrincipalTag/{key}": (value,) for key, value in tags_of_entity(role).items()},
        **(source or {}),
    }
    return Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}", arn, ACCOUNT, "AssumedRole", context)


def holder_of(access_key: str) -> tuple[Principal, str | None] | None:
    """Return who has an access key of IAM or STS, and the session policy; None when neither knows the key."""
    sts = backend("sts")
    assumed = sts.get_assumed_role_from_access_key(access_key) if sts else None
    if assumed:
        return role_session(assumed.role_arn, assumed.session_name), assumed.policy
    iam = backend("iam")
    for user in list(iam.users.values()) if iam else ():
        if any(key.access_key_id == access_key for key in user.access_keys):
            context: dict[str, tuple[str, ...]] = {
                "aws:PrincipalArn": (user.arn,),
                "aws:PrincipalAccount": (ACCOUNT,),
                "aws:PrincipalType": ("User",),
                "aws:username": (user.name,),
                "aws:userid": (user.id,),
                **{f"aws:PrincipalTag/{key}": (value,) for key, value in tags_of_entity(user).items()},
            }
            return Principal(user.arn, user.arn, ACCOUNT, "User", context), None
    return None


def service_principal(name: str, source_arn: str) -> Principal:
    """Return the principal that stands for a service of AWS acting for this account."""
    context: dict[str, tuple[str, ...]] = {
        "aws:SourceAccount": (ACCOUNT,),
        "aws:SourceArn": (source_arn,),
        "aws:PrincipalIsAWSService": ("true",),
        "aws:PrincipalServiceName": (name,),
    }
    return Principal(name, name, ACCOUNT, "Service", context)


def document_of(managed: Any) -> str:
    """Return the text of a managed policy's default version."""
    return as_text(next(version.document for version in managed.versions if version.is_default))


def as_text(policy: Any) -> str:
    """Return a policy document as JSON text: moto holds it as text, as data from a template, or as bytes."""
    if isinstance(policy, bytes):
        return policy.decode()
    return policy if isinstance(policy, str) else json.dumps(policy)


def statements_of(entity: Any) -> tuple[Statement, ...]:
    """Return the statements of the inline and managed policies of a user, group or role."""
    inline = [parse_policy(name, as_text(given)) for name, given in list(entity.policies.items())]
    managed = [parse_policy(policy.name, document_of(policy)) for policy in list(entity.managed_policies.values())]
    return tuple(statement for policy in inline + managed for statement in policy)


def identity_policies(principal: Principal) -> tuple[tuple[Statement, ...], tuple[Statement, ...] | None]:
    """Return the statements that apply to a user or role, and those of its permissions boundary, None without one."""
    iam = backend("iam")
    if iam is None:
        return (), None
    if principal.kind == "User":
        entity = next((user for user in list(iam.users.values()) if user.arn == principal.identity), None)
        groups = [group for group in list(iam.groups.values()) if entity in group.users]
    else:
        entity, groups = role_named(principal.identity), []
    if entity is None:
        return (), None
    granted = tuple(statement for each in (entity, *groups) for statement in statements_of(each))
    limit = getattr(entity, "permissions_boundary_arn", None)
    boundary = iam.managed_policies.get(limit) if limit else None
    if not limit:
        return granted, None
    return granted, parse_policy(limit, document_of(boundary)) if boundary else ()


def policies_for(principal: Principal, action: str, resource: str, session: str | None = None) -> Policies:
    """Return all policies that bear on an action of a principal on a resource; `session` is the session's own."""
    identity, boundary = identity_policies(principal)
    text = resource_policy(resource)
    assumes = action.startswith("sts:AssumeRole")
    return Policies(
        identity=identity,
        boundary=boundary,
        session=parse_policy("session", session) if session else None,
        resource=parse_policy(resource, text) if text else None,
        must_trust=assumes or (action.startswith("kms:") and text is not None),
        resource_kind="role trust policy" if assumes else "resource-based policy",
    )


def parts_of(arn: str) -> tuple[str, str, str]:
    """Return (service, region, resource) of an ARN; empty texts when it is not an ARN."""
    parts = arn.split(":", 5)
    return (parts[2], parts[3], parts[5]) if len(parts) == 6 else ("", "", "")


def resource_policy(arn: str) -> str | None:
    """Return the policy of a bucket, repository, key, secret, queue, topic or role; None when it has none."""
    service, region, resource = parts_of(arn)
    found: Any = None
    match service:
        case "s3":
            found = getattr(bucket_named(resource.partition("/")[0]), "policy", None)
        case "ecr" if memory := backend("ecr", region):
            found = getattr(memory.repositories.get(resource.removeprefix("repository/")), "policy", None)
        case "kms" if memory := backend("kms", region):
            found = getattr(memory.keys.get(resource.removeprefix("key/")), "policy", None)
        case "secretsmanager":
            found = getattr(secret_named(region, arn), "policy", None)
        case "sqs" if memory := backend("sqs", region):
            found = getattr(memory.queues.get(resource), "policy", None)
        case "sns" if memory := backend("sns", region):
            found = getattr(memory.topics.get(arn), "policy", None)
        case "iam" if resource.startswith("role/"):
            found = getattr(role_named(arn), "assume_role_policy_document", None)
    return as_text(found) if found else None


def tags_of(arn: str) -> dict[str, str]:
    """Return the tags of a resource; none for tasks, which moto does not hold, and for kinds not known here."""
    service, region, resource = parts_of(arn)
    look = TAGS.get(service)
    memory = backend(service, region or GLOBAL)
    return as_mapping(look(memory, arn, resource)) if look and memory else {}


def tags_in_ecs(memory: Any, arn: str, resource: str) -> Any:
    """Return the tags of a cluster, a task definition or a service, as moto holds them."""
    kind, _, name = resource.partition("/")
    if kind == "cluster":
        return getattr(memory.clusters.get(name), "tags", None)
    if kind == "task-definition":
        family, _, revision = name.rpartition(":")
        revisions = memory.task_definitions.get(family, {})
        return getattr(revisions.get(int(revision)), "tags", None) if revision.isdigit() else None
    return next((each.tags for each in list(memory.services.values()) if each.arn == arn), None)


def tags_in_iam(memory: Any, arn: str, _: str) -> Any:
    """Return the tags of a role or user."""
    entities = [*list(memory.roles.values()), *list(memory.users.values())]
    return next((tags_of_entity(each) for each in entities if each.arn == arn), {})


def tags_in_ssm(memory: Any, _: str, resource: str) -> Any:
    """Return the tags of a parameter, which moto keeps under its name with or without the leading slash."""
    tagged, name = memory._resource_tags.get("Parameter", {}), resource.partition("/")[2]
    return tagged.get(name) or tagged.get(f"/{name}")


TAGS: Final[dict[str, Callable[[Any, str, str], Any]]] = {
    "ecr": lambda memory, arn, _: memory.tagger.get_tag_dict_for_resource(arn),
    "ecs": tags_in_ecs,
    "iam": tags_in_iam,
    "kms": lambda memory, _, resource: memory.tagger.get_tag_dict_for_resource(resource.removeprefix("key/")),
    "logs": lambda memory, arn, _: memory.tagger.get_tag_dict_for_resource(log_group_arn(arn)),
    "secretsmanager": lambda memory, arn, _: getattr(memory.secrets.get(arn), "tags", None),
    "sns": lambda memory, arn, _: getattr(memory.topics.get(arn), "_tags", None),
    "sqs": lambda memory, _, resource: getattr(memory.queues.get(resource), "tags", None),
    "ssm": tags_in_ssm,
}


def as_mapping(tags: Any) -> dict[str, str]:
    """Return tags as a mapping, from any of the forms that AWS's services have for them."""
    if isinstance(tags, dict):
        return {str(key): str(value) for key, value in tags.items()}
    pairs = ((tag.get("key", tag.get("Key")), tag.get("value", tag.get("Value"))) for tag in tags or ())
    return {str(key): str(value) for key, value in pairs if key is not None}


def bucket_named(name: str) -> Any:
    """Return moto's bucket of this name; None when there is none."""
    s3 = backend("s3")
    return s3.buckets.get(name) if s3 else None


def has_object(bucket: str, key: str) -> bool:
    """Return whether a bucket holds a current object under this key."""
    found = bucket_named(bucket)
    current = found.keys.get(key) if found else None
    return current is not None and type(current).__name__ != "FakeDeleteMarker"


def secret_named(region: str, identifier: str) -> Any:
    """Return moto's secret by name, ARN or part of its ARN; None when there is none."""
    memory = backend("secretsmanager", region)
    return memory.secrets.get(identifier) if memory else None


def log_group_arn(arn: str) -> str:
    """Return the ARN of the group that a stream, or `group:*`, belongs to."""
    return ":".join(arn.split(":")[:7])


def key_arn(region: str, identifier: str) -> str:
    """Return the ARN of a KMS key by its id, ARN or alias; that of the alias when no key has it."""
    if ":key/" in identifier:
        return identifier
    name = identifier.rpartition(":")[2] if identifier.startswith("arn:") else identifier
    memory = backend("kms", region)
    if name.startswith("alias/"):
        keys = list(memory.keys.values()) if memory else []
        return next((key.arn for key in keys if name in key.aliases), f"arn:aws:kms:{region}:{ACCOUNT}:{name}")
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{name}"
