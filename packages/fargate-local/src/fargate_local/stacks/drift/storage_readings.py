"""What S3, Secrets Manager, SSM, DynamoDB, ECR and RDS tell of what they keep."""

from functools import partial
from typing import Any, Final

from fargate_local.stacks.bucket_kinds import BUCKET, BUCKET_FORMS
from fargate_local.stacks.database_kinds import DATABASE_NAMES
from fargate_local.stacks.drift.differences import differences
from fargate_local.stacks.drift.reading import Described, GoneError, Look, Read, asked, own_tags, tags_like
from fargate_local.stacks.kinds import Properties


def bucket(look: Look) -> Properties:
    """Return those properties of a bucket that its template sets."""
    look.call("s3", "HeadBucket", Bucket=look.ident)
    return {
        "BucketName": look.ident,
        **{name: setting(look, name, put, parameter) for name, put, parameter, _ in BUCKET if name in look.wanted},
    }


def setting(look: Look, name: str, put: str, parameter: str) -> Any:
    """Return a property of a bucket in the form of templates, or of the API where it is not the same."""
    s3 = look.calls("s3")
    operation = s3.meta.method_to_api_mapping[f"get_{put.removeprefix('put_')}"]
    answer = look.maybe("s3", operation, Bucket=look.ident)
    told = answer.get(parameter, {k: v for k, v in answer.items() if k != "ResponseMetadata"})
    if not told:
        return None
    if name == "Tags":
        return own_tags(told["TagSet"])
    if name == "BucketEncryption":
        return {"ServerSideEncryptionConfiguration": [encryption(rule) for rule in told["Rules"]]}
    form = BUCKET_FORMS.get(name)
    as_wanted = form and not any(differences(form(look.wanted[name]), told, "", whole=False))
    return look.wanted[name] if as_wanted else told


def encryption(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule of encryption as templates have it."""
    renamed = {"ApplyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault"}
    return {renamed.get(name, name): value for name, value in rule.items()}


def bucket_policy(look: Look) -> Properties:
    """Return the policy of a bucket.

    Raises:
        GoneError: It has none.
    """
    return {"PolicyDocument": look.call("s3", "GetBucketPolicy", Bucket=look.ident)["Policy"]}


def secret_policy(look: Look) -> Properties:
    """Return the policy of a secret.

    Raises:
        GoneError: It has none.
    """
    policy = look.call("secretsmanager", "GetResourcePolicy", SecretId=look.ident).get("ResourcePolicy")
    if not policy:
        raise GoneError
    return {"ResourcePolicy": policy}


def parameter_tags(look: Look, thing: dict[str, Any]) -> Properties:
    """Return the tags of a parameter."""

    def tags() -> Any:
        which = {"ResourceType": "Parameter", "ResourceId": look.ident}
        return tags_like(look.wanted["Tags"], look.call("ssm", "ListTagsForResource", **which)["TagList"])

    return asked(look, Tags=tags)


def repository(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a repository's policies and tags."""
    which = {"repositoryName": look.ident}

    def rules() -> Any:
        text = look.maybe("ecr", "GetLifecyclePolicy", **which).get("lifecyclePolicyText")
        return {"LifecyclePolicyText": text} if text else None

    return asked(
        look,
        LifecyclePolicy=rules,
        RepositoryPolicyText=lambda: look.maybe("ecr", "GetRepositoryPolicy", **which).get("policyText"),
        Tags=lambda: own_tags(look.call("ecr", "ListTagsForResource", resourceArn=thing["repositoryArn"])["tags"]),
    )


def table(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a table's time to live, recovery and tags."""
    which = {"TableName": look.ident}

    def life() -> Any:
        found = look.call("dynamodb", "DescribeTimeToLive", **which)["TimeToLiveDescription"]
        return {**found, "Enabled": found["TimeToLiveStatus"] == "ENABLED"}

    def recovery() -> Any:
        found = look.call("dynamodb", "DescribeContinuousBackups", **which)["ContinuousBackupsDescription"]
        status = found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return {"PointInTimeRecoveryEnabled": status == "ENABLED"}

    return asked(
        look,
        TimeToLiveSpecification=life,
        PointInTimeRecoverySpecification=recovery,
        Tags=lambda: own_tags(look.call("dynamodb", "ListTagsOfResource", ResourceArn=thing["TableArn"])["Tags"]),
    )


def database(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a database's security groups."""
    groups = [each["VpcSecurityGroupId"] for each in thing.get("VpcSecurityGroups", [])]
    return asked(look, VPCSecurityGroups=lambda: groups)


def rds_tags(arn: str, look: Look, thing: dict[str, Any]) -> Properties:
    """Return the tags of what RDS has under an ARN."""
    found = look.call("rds", "ListTagsForResource", ResourceName=thing[arn])
    return asked(look, Tags=lambda: own_tags(found["TagList"]))


def subnet_group(look: Look, thing: dict[str, Any]) -> Properties:
    """Return a subnet group's subnets and tags."""
    subnets = [each["SubnetIdentifier"] for each in thing["Subnets"]]
    return {**asked(look, SubnetIds=lambda: subnets), **rds_tags("DBSubnetGroupArn", look, thing)}


STORAGE_READINGS: Final[dict[str, Read]] = {
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SecretsManager::Secret": Described(
        "secretsmanager", "DescribeSecret", "SecretId", gone=lambda thing: "DeletedDate" in thing
    ),
    "AWS::SecretsManager::ResourcePolicy": secret_policy,
    "AWS::SSM::Parameter": Described("ssm", "GetParameter", "Name", "Parameter", more=parameter_tags),
    "AWS::DynamoDB::Table": Described(
        "dynamodb",
        "DescribeTable",
        "TableName",
        "Table",
        renamed={"BillingMode": "BillingModeSummary.BillingMode"},
        more=table,
    ),
    "AWS::ECR::Repository": Described(
        "ecr", "DescribeRepositories", "repositoryNames[]", "repositories.0", more=repository
    ),
    "AWS::RDS::DBInstance": Described(
        "rds",
        "DescribeDBInstances",
        "DBInstanceIdentifier",
        "DBInstances.0",
        renamed={
            "DBSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
            "Port": "Endpoint.Port",
            "DBParameterGroupName": "DBParameterGroups.DBParameterGroupName",
            "Tags": "TagList",
        },
        more=database,
        unread=frozenset(DATABASE_NAMES),
        gone=lambda thing: thing["DBInstanceStatus"] == "deleting",
    ),
    "AWS::RDS::DBSubnetGroup": Described(
        "rds",
        "DescribeDBSubnetGroups",
        "DBSubnetGroupName",
        "DBSubnetGroups.0",
        more=subnet_group,
        unread=frozenset({"DBSubnetGroupName"}),
    ),
    "AWS::RDS::DBParameterGroup": Described(
        "rds",
        "DescribeDBParameterGroups",
        "DBParameterGroupName",
        "DBParameterGroups.0",
        renamed={"Family": "DBParameterGroupFamily"},
        more=partial(rds_tags, "DBParameterGroupArn"),
    ),
}
