"""What the CloudFormation templates promise, read from the templates themselves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode

from fargate_local.ecs.definition import check_definition

PUBLIC = {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}


@pytest.fixture(scope="module")
def templates(repository: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(json.dumps(decode(str(path))[0])) for path in (repository / "infra").glob("*.yaml")}


def of_type(templates: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for t in templates.values() for r in t["Resources"].values() if r["Type"] == kind]


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for policy in role["Properties"]["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def test_cfn_lint_finds_nothing(repository: Path) -> None:
    paths = sorted(str(path) for path in (repository / "infra").glob("*.yaml"))
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([cfn_lint, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_reachable_from_the_internet(templates: dict[str, dict[str, Any]]) -> None:
    kinds = {r["Type"] for t in templates.values() for r in t["Resources"].values()}
    assert not kinds & PUBLIC
    assert all(
        subnet["Properties"]["MapPublicIpOnLaunch"] is False for subnet in of_type(templates, "AWS::EC2::Subnet")
    )


def test_tasks_reach_every_service_they_need_through_endpoints(templates: dict[str, dict[str, Any]]) -> None:
    names = {json.dumps(e["Properties"]["ServiceName"]) for e in of_type(templates, "AWS::EC2::VPCEndpoint")}
    for service in ("s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager"):
        assert any(name.endswith(f'.{service}"}}') for name in names), service


def test_no_security_group_lets_the_world_in_or_out(templates: dict[str, dict[str, Any]]) -> None:
    for group in of_type(templates, "AWS::EC2::SecurityGroup"):
        assert "0.0.0.0/0" not in json.dumps(group)


def test_every_bucket_is_private_encrypted_versioned_and_kept(templates: dict[str, dict[str, Any]]) -> None:
    buckets = of_type(templates, "AWS::S3::Bucket")
    assert len(buckets) >= 4
    for bucket in buckets:
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["DeletionPolicy"] == "Retain"


def test_every_bucket_refuses_plain_http(templates: dict[str, dict[str, Any]]) -> None:
    refused = {
        policy["Properties"]["Bucket"]["Ref"]
        for policy in of_type(templates, "AWS::S3::BucketPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"]["Bool"] == {"aws:SecureTransport": "false"}
    }
    buckets = {n for t in templates.values() for n, r in t["Resources"].items() if r["Type"] == "AWS::S3::Bucket"}
    assert refused == buckets


def test_no_lifecycle_rule_deletes_current_objects(templates: dict[str, dict[str, Any]]) -> None:
    for bucket in of_type(templates, "AWS::S3::Bucket"):
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]:
            assert not {"ExpirationInDays", "ExpirationDate"} & set(rule)


def test_tags_never_move_pushes_are_scanned_and_no_policy_undoes_a_pin(templates: dict[str, dict[str, Any]]) -> None:
    repositories = of_type(templates, "AWS::ECR::Repository")
    assert repositories
    for repository in repositories:
        assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert "LifecyclePolicy" not in repository["Properties"]


def test_only_the_registry_login_is_granted_on_everything(templates: dict[str, dict[str, Any]]) -> None:
    for role in of_type(templates, "AWS::IAM::Role"):
        for statement in statements(role):
            assert statement["Resource"] != "*" or statement["Action"] == "ecr:GetAuthorizationToken", statement
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not any(action.endswith("*") for action in actions)


def test_each_module_writes_its_own_buckets_only(templates: dict[str, dict[str, Any]]) -> None:
    resources = templates["compute"]["Resources"]
    ingesta, transformacion = (json.dumps(resources[role]) for role in ("IngestaRole", "TransformacionRole"))
    assert "RawBucket" in ingesta
    assert "ReportsBucket" not in ingesta
    assert "ReportsBucket" in transformacion
    assert "RawBucket" not in transformacion


def test_no_template_holds_a_secret_value(templates: dict[str, dict[str, Any]]) -> None:
    for secret in of_type(templates, "AWS::SecretsManager::Secret"):
        assert "SecretString" not in secret["Properties"]


def as_request(value: Any) -> Any:
    """A template's properties as the API has them; what only AWS knows becomes a name."""
    if isinstance(value, list):
        return [as_request(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        return "made-by-the-stack"
    return {key[0].lower() + key[1:]: as_request(item) for key, item in value.items()}


def test_every_task_definition_is_one_that_fargate_takes(templates: dict[str, dict[str, Any]]) -> None:
    definitions = of_type(templates, "AWS::ECS::TaskDefinition")
    assert definitions
    for definition in definitions:
        check_definition(as_request(definition["Properties"]))
