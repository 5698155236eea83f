"""Resources that keep things: tables, parameters, secrets, repositories, keys."""

import json
from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties, tag_map
from fargate_local.stacks.matching import PropertyError, matched

SECRET_INPUT: Final = ("SecretString", "GenerateSecretString")


def generated(calls: Calls, properties: Properties) -> str | None:
    """Return the text of a secret, made up if its template says so; None if it has no value yet.

    API reference, GetRandomPassword; AWS::SecretsManager::Secret GenerateSecretString (read November 2026).

    Raises:
        PropertyError: The template asks for a key without a template around it, or the other way round.
    """
    if "GenerateSecretString" not in properties:
        text = properties.get("SecretString")
        return None if text is None else str(text)
    wanted = dict(properties["GenerateSecretString"])
    around, key = wanted.pop("SecretStringTemplate", None), wanted.pop("GenerateStringKey", None)
    if (around is None) != (key is None):
        message = "GenerateSecretString: SecretStringTemplate and GenerateStringKey are given together or not at all"
        raise PropertyError(message)
    shape = calls.input("secretsmanager", "GetRandomPassword")
    password = calls("secretsmanager").get_random_password(**matched(wanted, shape, "/GenerateSecretString"))
    word = str(password["RandomPassword"])
    if around is None:
        return word
    document = json.loads(around) if isinstance(around, str) else around
    return json.dumps({**document, str(key): word})


def secret_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a secret's properties for CreateSecret, its value with them."""
    text = generated(calls, properties)
    kept = {key: value for key, value in properties.items() if key not in SECRET_INPUT}
    return {"Name": name, **kept, **({} if text is None else {"SecretString": text})}


def drawn_uuid() -> str:
    """Return an identifier drawn by moto's seed, so that a replay draws the same."""
    from moto.moto_api._internal import mock_random

    return str(mock_random.uuid4())


def apply_secret(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Change a secret: its value only where the template's part about it changed, so that nobody's is lost."""
    if before is None:
        return
    client, which = calls("secretsmanager"), {"SecretId": made.physical_resource_id}
    if any(properties.get(name) != before.get(name) for name in SECRET_INPUT):
        text = generated(calls, properties)
        if text is not None:
            client.put_secret_value(**which, SecretString=text)
    told = {name: properties.get(name, "") for name in ("Description", "KmsKeyId")}
    if told != {name: before.get(name, "") for name in told}:
        # moto takes an update without a token for another secret of the same name.
        token = {"ClientRequestToken": drawn_uuid()}
        client.update_secret(**which, **token, **{name: value for name, value in told.items() if value})


def key_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a key's properties for CreateKey."""
    tags = key_tags(properties.get("Tags"))
    kept = {k: v for k, v in properties.items() if k not in KEY_APPLIED | {"KeyPolicy", "Tags"}}
    policy = {"Policy": properties["KeyPolicy"]} if "KeyPolicy" in properties else {}
    return {**kept, **policy, **({"Tags": tags} if tags else {})}


def key_tags(tags: Any) -> list[dict[str, str]]:
    """Return tags as KMS has them."""
    return [{"TagKey": key, "TagValue": value} for key, value in tag_map(tags).items()]


KEY_APPLIED: Final = frozenset({"EnableKeyRotation", "RotationPeriodInDays", "Enabled", "PendingWindowInDays"})


def apply_key(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a key's rotation, policy, description and state."""
    kms, key, known = calls("kms"), made.physical_resource_id, before or {}
    rotated = properties.get("EnableKeyRotation") in (True, "true")
    if rotated:
        period = properties.get("RotationPeriodInDays")
        kms.enable_key_rotation(KeyId=key, **({"RotationPeriodInDays": int(period)} if period else {}))
    elif known.get("EnableKeyRotation"):
        kms.disable_key_rotation(KeyId=key)
    if properties.get("Enabled") in (False, "false"):
        kms.disable_key(KeyId=key)
    elif before and before.get("Enabled") in (False, "false"):
        kms.enable_key(KeyId=key)
    if before is None:
        return
    if properties.get("KeyPolicy") != known.get("KeyPolicy"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(properties["KeyPolicy"]))
    if properties.get("Description") != known.get("Description"):
        kms.update_key_description(KeyId=key, Description=properties.get("Description", ""))


def apply_repository(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a repository's policies, and what an update changes."""
    ecr, known = calls("ecr"), before or {}
    which = {"repositoryName": made.physical_resource_id}
    if (policy := properties.get("RepositoryPolicyText")) != known.get("RepositoryPolicyText"):
        if policy is None:
            ecr.delete_repository_policy(**which)
        else:
            ecr.set_repository_policy(**which, policyText=json.dumps(policy) if isinstance(policy, dict) else policy)
    if (rules := properties.get("LifecyclePolicy")) != known.get("LifecyclePolicy"):
        if rules is None:
            ecr.delete_lifecycle_policy(**which)
        else:
            text = rules["LifecyclePolicyText"]
            ecr.put_lifecycle_policy(**which, lifecyclePolicyText=json.dumps(text) if isinstance(text, dict) else text)
    if before is None:
        return
    ecr.put_image_tag_mutability(**which, imageTagMutability=properties.get("ImageTagMutability", "MUTABLE"))
    scanning = properties.get("ImageScanningConfiguration", {}).get("ScanOnPush", False)
    ecr.put_image_scanning_configuration(
        **which, imageScanningConfiguration={"scanOnPush": str(scanning).lower() == "true"}
    )


def apply_table(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set a table's time to live and point-in-time recovery."""
    dynamodb, known = calls("dynamodb"), before or {}
    which = {"TableName": made.physical_resource_id}
    if (life := properties.get("TimeToLiveSpecification")) != known.get("TimeToLiveSpecification"):
        given = life or {**known["TimeToLiveSpecification"], "Enabled": False}
        shape = calls.input("dynamodb", "UpdateTimeToLive").members["TimeToLiveSpecification"]
        dynamodb.update_time_to_live(**which, TimeToLiveSpecification=matched(given, shape, ""))
    if (recovery := properties.get("PointInTimeRecoverySpecification")) != known.get(
        "PointInTimeRecoverySpecification"
    ):
        given = recovery or {"PointInTimeRecoveryEnabled": False}
        shape = calls.input("dynamodb", "UpdateContinuousBackups").members["PointInTimeRecoverySpecification"]
        dynamodb.update_continuous_backups(**which, PointInTimeRecoverySpecification=matched(given, shape, ""))


def parameter_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a parameter's properties for PutParameter: an update replaces its value."""
    tags = [{"Key": k, "Value": v} for k, v in tag_map(properties.get("Tags")).items()]
    return {"Name": name, **{k: v for k, v in properties.items() if k != "Tags"}, **({"Tags": tags} if tags else {})}


def parameter_change(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a parameter's properties for PutParameter over a value."""
    return {**{k: v for k, v in properties.items() if k != "Tags"}, "Name": name, "Overwrite": True}


def apply_parameter(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a parameter its tags, and no others of before."""
    if before is None:
        return
    which = {"ResourceType": "Parameter", "ResourceId": made.physical_resource_id}
    wanted = tag_map(properties.get("Tags"))
    if gone := [key for key in tag_map(before.get("Tags")) if key not in wanted]:
        calls("ssm").remove_tags_from_resource(**which, TagKeys=gone)
    if wanted:
        given = [{"Key": key, "Value": value} for key, value in wanted.items()]
        calls("ssm").add_tags_to_resource(**which, Tags=given)


STORAGE: Final = (
    Kind(
        "AWS::DynamoDB::Table", "dynamodb", "CreateTable", "DeleteTable", "TableName", name="TableName",
        updates="UpdateTable", fixed=frozenset({"KeySchema", "LocalSecondaryIndexes"}),
        applied=frozenset({"TimeToLiveSpecification", "PointInTimeRecoverySpecification"}), apply=apply_table,
        tags="list", retags=("TagResource", "UntagResource", "ResourceArn"), tagged_by="Arn",
        attributes={"Arn": "TableDescription.TableArn",
                    "StreamArn": "arn:aws:dynamodb:{region}:{account}:table/{id}/stream"},
    ),
    Kind(
        "AWS::SSM::Parameter", "ssm", "PutParameter", "DeleteParameter", "Name", name="Name",
        updates="PutParameter", given=parameter_input, changed=parameter_change, apply=apply_parameter,
        on_update=frozenset({"Tags"}), tags="map",
        attributes={"Type": "{Type}", "Value": "{Value}"},
    ),
    Kind(
        "AWS::SecretsManager::Secret", "secretsmanager", "CreateSecret", "DeleteSecret", "SecretId", name="Name",
        ident="ARN", given=secret_input, apply=apply_secret, tags="list",
        on_update=frozenset({*SECRET_INPUT, "Description", "KmsKeyId"}), attributes={"Id": "ARN"},
        retags=("TagResource", "UntagResource", "SecretId"),
        deleted_with=lambda _: {"ForceDeleteWithoutRecovery": True},
    ),
    Kind(
        "AWS::SecretsManager::ResourcePolicy", "secretsmanager", "PutResourcePolicy", "DeleteResourcePolicy",
        "SecretId", name="SecretId", updates="PutResourcePolicy", fixed=frozenset({"SecretId"}),
    ),
    Kind(
        "AWS::ECR::Repository", "ecr", "CreateRepository", "DeleteRepository", "repositoryName",
        name="RepositoryName", apply=apply_repository, tags="list",
        applied=frozenset({"RepositoryPolicyText", "LifecyclePolicy", "EmptyOnDelete"}), on_update=frozenset(
            {"ImageTagMutability", "ImageScanningConfiguration"}),
        deleted_with=lambda properties: {"force": str(properties.get("EmptyOnDelete", "")).lower() == "true"},
        retags=("TagResource", "UntagResource", "resourceArn"), tagged_by="Arn",
        attributes={"Arn": "repository.repositoryArn", "RepositoryUri": "repository.repositoryUri"},
    ),
    Kind(
        "AWS::KMS::Key", "kms", "CreateKey", "ScheduleKeyDeletion", "KeyId", ident="KeyMetadata.KeyId",
        given=key_input, apply=apply_key, applied=KEY_APPLIED, on_update=frozenset({"KeyPolicy", "Description"}),
        tags="list",
        retags=("TagResource", "UntagResource", "KeyId"), api_tags=key_tags,
        attributes={"Arn": "KeyMetadata.Arn", "KeyId": "KeyMetadata.KeyId"},
    ),
    Kind(
        "AWS::KMS::Alias", "kms", "CreateAlias", "DeleteAlias", "AliasName", name="AliasName",
        updates="UpdateAlias",
    ),
)  # fmt: skip
