"""No command does anything with credentials for another account than the environment's."""

from pathlib import Path

import boto3
import pytest
from tests.support.cloud import pointing_to

from datavision import infra
from datavision.aws import AccountError, checked_client
from datavision.config import Config, load
from datavision.doctor import examine_environment
from fargate_local import FargateLocal


@pytest.fixture
def config(cloud: FargateLocal, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The dev environment of account 210987654321, with credentials for 123456789012."""
    for name, value in pointing_to(cloud, repository).items():
        monkeypatch.setenv(name, value)
    return load("dev")


def test_a_deploy_to_the_wrong_account_does_nothing_and_says_both_accounts(config: Config, cloud: FargateLocal) -> None:
    with pytest.raises(AccountError, match=r"for account 123456789012, config/dev\.toml says 210987654321"):
        infra.deploy(config)
    assert boto3.client("cloudformation", **cloud.client_args).describe_stacks()["Stacks"] == []


def test_no_client_is_handed_out_for_the_wrong_account(config: Config) -> None:
    for service in ("s3", "ecr", "ecs", "secretsmanager"):
        with pytest.raises(AccountError):
            checked_client(config, service)


def test_doctor_reports_it_and_asks_the_wrong_account_nothing_else(config: Config) -> None:
    (finding,) = examine_environment(config, ["pipeline_suscripciones"])
    assert finding.check == "account"
    assert not finding.ok
