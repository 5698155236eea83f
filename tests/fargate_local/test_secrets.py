"""Secrets of a container definition.

Developer guide, "Pass sensitive data to an Amazon ECS container" (``…:secret:name:json-key:version-stage:version-id``)
and "Amazon ECS ResourceInitializationError" (read November 2026).
"""

import json
from typing import Any

import pytest
from tests.support.cloud import Ecs


@pytest.fixture(scope="module")
def secret(ecs: Ecs) -> Any:
    """A secret with two JSON keys and an older version."""
    manager = ecs.client("secretsmanager")
    arn = manager.create_secret(Name="database", SecretString=json.dumps({"user": "old", "port": 1}))["ARN"]
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps({"user": "new", "port": 5432}))
    return arn


def value_of(ecs: Ecs, value_from: str) -> Any:
    """What a task sees of a secret."""
    container = {
        "command": ["sh", "-c", 'echo "$SECRET"'],
        "secrets": [{"name": "SECRET", "valueFrom": value_from}],
        "logged": True,
    }
    return ecs.logs(ecs.finish(ecs.define(container))["taskArn"])[0]


def test_a_whole_secret_is_its_text(ecs: Ecs, secret: Any) -> None:
    assert json.loads(value_of(ecs, secret)) == {"user": "new", "port": 5432}


def test_one_json_key_of_a_secret_can_be_named(ecs: Ecs, secret: Any) -> None:
    assert value_of(ecs, f"{secret}:user::") == "new"
    assert value_of(ecs, f"{secret}:port::") == "5432"


def test_an_older_version_can_be_named_by_its_stage(ecs: Ecs, secret: Any) -> None:
    assert value_of(ecs, f"{secret}:user:AWSPREVIOUS:") == "old"


def test_a_secret_is_found_by_its_arn_without_the_suffix(ecs: Ecs) -> None:
    arn = ecs.client("secretsmanager").create_secret(Name="app/session-key", SecretString="found")["ARN"]
    assert value_of(ecs, arn.rpartition("-")[0]) == "found"


@pytest.mark.parametrize("name", ["app/test-secret", "db-abc123"])
def test_a_name_that_ends_like_a_suffix_is_not(ecs: Ecs, name: str) -> None:
    """Secrets Manager API reference, GetSecretValue: with a hyphen and six characters it assumes a complete ARN."""
    manager = ecs.client("secretsmanager")
    arn = manager.create_secret(Name=name, SecretString="found")["ARN"]
    assert value_of(ecs, arn) == manager.get_secret_value(SecretId=name)["SecretString"] == "found"
    cut = arn.rpartition("-")[0]
    with pytest.raises(manager.exceptions.ResourceNotFoundException):
        manager.describe_secret(SecretId=cut)
    task = ecs.finish(ecs.define({"command": ["true"], "secrets": [{"name": "S", "valueFrom": cut}]}))
    assert f"failed to fetch secret {cut} from secrets manager: Secrets Manager can't find" in task["stoppedReason"]


@pytest.mark.parametrize("by_arn", [True, False])
def test_a_parameter_of_systems_manager_is_decrypted(ecs: Ecs, by_arn: Any) -> None:
    name = f"/app/{by_arn}/password"
    ecs.client("ssm").put_parameter(Name=name, Value="open sesame", Type="SecureString")
    reference = f"arn:aws:ssm:us-east-1:123456789012:parameter{name}" if by_arn else name
    assert value_of(ecs, reference) == "open sesame"


def test_a_parameter_without_a_path_is_found_by_arn(ecs: Ecs) -> None:
    ecs.client("ssm").put_parameter(Name="plain", Value="x", Type="String")
    assert value_of(ecs, "arn:aws:ssm:us-east-1:123456789012:parameter/plain") == "x"


def test_a_changed_secret_is_seen_by_the_next_task(ecs: Ecs) -> None:
    manager = ecs.client("secretsmanager")
    arn = manager.create_secret(Name="changing", SecretString="one")["ARN"]
    assert value_of(ecs, arn) == "one"
    manager.put_secret_value(SecretId=arn, SecretString="two")
    assert value_of(ecs, arn) == "two"


@pytest.mark.parametrize(
    ("value_from", "message"),
    [
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:ghost-AbCdEf", "unable to retrieve secret from asm"),
        ("/no/such/parameter", "invalid ssm parameters: /no/such/parameter"),
    ],
)
def test_a_missing_secret_fails_the_start(ecs: Ecs, value_from: str, message: str) -> None:
    task = ecs.finish(ecs.define({"command": ["true"], "secrets": [{"name": "S", "valueFrom": value_from}]}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
    )
    assert message in task["stoppedReason"]


def test_a_missing_json_key_fails_the_start(ecs: Ecs, secret: Any) -> None:
    task = ecs.finish(ecs.define({"command": ["true"], "secrets": [{"name": "S", "valueFrom": f"{secret}:ghost::"}]}))
    assert "did not contain json key ghost" in task["stoppedReason"]
