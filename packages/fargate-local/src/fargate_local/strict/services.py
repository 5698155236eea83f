"""The permissions of calls to ECS's neighbours, from the Service Authorization Reference (read November 2026)."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from fargate_local.protocol.arns import ACCOUNT, last_part
from fargate_local.strict import account
from fargate_local.strict.calls import Call, pass_role
from fargate_local.strict.policy import Need


def of_repository(action: str, region: str, repository: str) -> Need:
    """Return the permission for an action of ECR's registry, which engines do not call by its name."""
    arn = f"arn:aws:ecr:{region}:{ACCOUNT}:repository/{repository}"
    return Need(f"ecr:{action}", arn, {"aws:RequestedRegion": (region,)}, partial(account.tags_of, arn))


def ecr(call: Call) -> Iterator[Need]:
    """Yield the permissions on repositories, by name or ARN."""
    names = call.texts("repositoryNames") or [name for name in [call.text("repositoryName")] if name]
    if call.operation == "DescribeRepositories" and not names:
        names = ["*"]
    for name in names:
        yield call.need(call.arn(f"repository/{name}"))
    if arn := call.text("resourceArn"):
        yield call.need(arn)


STREAM_ACTIONS: Final = frozenset({"CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"})
TAGS_OF_LOGS: Final = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})


def logs(call: Call) -> Iterator[Need]:
    """Yield the permissions on streams, and on groups as refusals name them: `log-group:<name>:log-stream:`."""
    if call.operation in TAGS_OF_LOGS:
        yield call.need(call.text("resourceArn"))
        return
    named = call.text("logGroupName", "logGroupIdentifier", "logGroupNamePrefix")
    groups = [*call.texts("logGroupNames"), *call.texts("logGroupIdentifiers")] or [named]
    if not groups[0] and call.operation != "DescribeLogGroups":
        return
    stream = call.text("logStreamName") if call.operation in STREAM_ACTIONS else ""
    for group in groups:
        name = group.split(":")[6] if group.startswith("arn:") else group
        yield call.need(call.arn(f"log-group:{name}:log-stream:{stream}"))


def secretsmanager(call: Call) -> Iterator[Need]:
    """Yield the permissions on secrets by ARN; one that does not exist is named as the caller named it."""
    if call.operation == "CreateSecret":
        yield call.need(call.arn(f"secret:{call.text('Name')}"), {"secretsmanager:Name": call.text("Name")})
        return
    given = [call.text("SecretId")] if call.text("SecretId") else call.texts("SecretIdList")
    for identifier in given:
        secret = account.secret_named(call.region, identifier)
        keys = {"secretsmanager:SecretId": secret.arn if secret else identifier}
        if stage := call.text("VersionStage"):
            keys["secretsmanager:VersionStage"] = stage
        # BatchGetSecretValue is GetSecretValue for each, beside its own action.
        action = "secretsmanager:GetSecretValue" if call.operation == "BatchGetSecretValue" else ""
        yield call.need(secret.arn if secret else identifier, keys, action=action)
    if call.operation == "BatchGetSecretValue":
        yield call.need()


def ssm(call: Call) -> Iterator[Need]:
    """Yield the permissions on parameters, by name or ARN."""
    if "Parameter" not in call.operation or call.operation == "DescribeParameters":
        if call.text("ResourceType") == "Parameter":
            yield call.need(call.arn(f"parameter/{call.text('ResourceId').lstrip('/')}"))
        return
    names = [call.text("Name", "Path")] if call.text("Name", "Path") else call.texts("Names")
    for name in names:
        full = name if name.startswith("arn:") else call.arn(f"parameter/{name.lstrip('/')}")
        yield call.need(full)


def sqs(call: Call) -> Iterator[Need]:
    """Yield the permission on a queue, named by its URL or name; that of a move task by ARN."""
    if name := last_part(call.text("QueueUrl", "QueueName").rstrip("/")):
        yield call.need(call.arn(name))
    elif arn := call.text("SourceArn", "TaskHandle"):
        yield call.need(arn)


def sns(call: Call) -> Iterator[Need]:
    """Yield the permission on a topic by ARN, or by name when the call creates it."""
    arn = call.text("TopicArn", "TargetArn", "ResourceArn", "SubscriptionArn")
    if arn:
        yield call.need(":".join(arn.split(":")[:6]))
    elif call.operation == "CreateTopic":
        yield call.need(call.arn(call.text("Name")))


def events(call: Call) -> Iterator[Need]:
    """Yield the permissions on rules, buses and archives, and to pass the roles of targets."""
    if call.operation == "PutEvents":
        entries = [each for each in call.parameters.get("Entries", []) if isinstance(each, dict)]
        for entry in entries:
            bus = last_part(str(entry.get("EventBusName", "default")))
            keys = {
                "events:source": str(entry.get("Source", "")),
                "events:detail-type": str(entry.get("DetailType", "")),
            }
            yield call.need(call.arn(f"event-bus/{bus}"), keys)
        return
    rule = call.text("Rule") or (call.text("Name") if call.operation.endswith("Rule") else "")
    if rule:
        bus = last_part(call.text("EventBusName") or "default")
        yield call.need(call.arn(f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}"))
    elif call.operation in ("CreateEventBus", "DeleteEventBus", "DescribeEventBus"):
        yield call.need(call.arn(f"event-bus/{last_part(call.text('Name') or 'default')}"))
    elif "Archive" in call.operation and call.text("ArchiveName"):
        yield call.need(call.arn(f"archive/{call.text('ArchiveName')}"))
    targets = call.parameters.get("Targets", [])
    roles = [target["RoleArn"] for target in targets if isinstance(target, dict) and target.get("RoleArn")]
    yield from pass_role([*roles, *[role for role in [call.text("RoleArn")] if role]], "events.amazonaws.com")


def sts(call: Call) -> Iterator[Need]:
    """Yield the permission to assume a role, by ARN."""
    if call.operation in ("AssumeRole", "TagSession"):
        keys = {"sts:RoleSessionName": call.text("RoleSessionName")}
        if external := call.text("ExternalId"):
            keys["sts:ExternalId"] = external
        yield call.need(call.text("RoleArn"), keys)


IAM_RESOURCES: Final = {
    "RoleName": "role",
    "UserName": "user",
    "GroupName": "group",
    "InstanceProfileName": "instance-profile",
}


def iam(call: Call) -> Iterator[Need]:
    """Yield the permission on a role, user, group or instance profile by name, or on a policy by ARN."""
    keys = {"iam:PolicyARN": call.text("PolicyArn")} if call.text("PolicyArn") else {}
    if limit := call.text("PermissionsBoundary"):
        keys["iam:PermissionsBoundary"] = limit
    for parameter, kind in IAM_RESOURCES.items():
        if name := call.text(parameter):
            yield call.need(iam_arn(kind, name, call.text("Path")), keys)
            return
    if arn := call.text("PolicyArn"):
        yield call.need(arn)
    elif call.operation == "CreatePolicy":
        path = (call.text("Path") or "/").strip("/")
        yield call.need(f"arn:aws:iam::{ACCOUNT}:policy/{path + '/' if path else ''}{call.text('PolicyName')}")


def iam_arn(kind: str, name: str, path: str) -> str:
    """Return the ARN of an entity with its path; one that is not known gets the path of the request."""
    memory = account.backend("iam")
    entities = getattr(memory, {"role": "roles", "user": "users"}.get(kind, ""), {}) if memory else {}
    known = next((entity.arn for entity in list(entities.values()) if entity.name == name), None)
    inner = path.strip("/")
    return known or f"arn:aws:iam::{ACCOUNT}:{kind}/{inner + '/' if inner else ''}{name}"


def kms(call: Call) -> Iterator[Need]:
    """Yield the permission on a key, named by id, ARN or alias."""
    if identifier := call.text("KeyId", "TargetKeyId"):
        yield call.need(account.key_arn(call.region, identifier))


def cloudformation(call: Call) -> Iterator[Need]:
    """Yield the permissions on a stack, by name or id, and to pass the role that it works with."""
    if name := call.text("StackName"):
        yield call.need(name if name.startswith("arn:") else call.arn(f"stack/{name}/*"))
    yield from pass_role([role for role in [call.text("RoleARN")] if role], "cloudformation.amazonaws.com")


def monitoring(call: Call) -> Iterator[Need]:
    """Yield the permissions on alarms, by name."""
    for name in [call.text("AlarmName")] if call.text("AlarmName") else call.texts("AlarmNames"):
        yield call.need(f"arn:aws:cloudwatch:{call.region}:{ACCOUNT}:alarm:{name}")
