"""What `datavision doctor` asks beyond the laptop: mail and quotas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from tests.support.templates import read_template

from datavision import doctor
from datavision.config import Config, load
from datavision.doctor import AIRFLOW_VCPU, examine_environment
from datavision.errors import UserError
from datavision.local.mail import Mailbox
from datavision.mail import check_mail
from fargate_local import FargateLocal


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    box = Mailbox(tmp_path / "mail")
    box.start()
    yield box
    box.stop()


def connection(port: int, **more: Any) -> str:
    return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": {"disable_tls": True}} | more)


def test_a_server_that_lets_us_in_is_named_and_gets_no_mail(mailbox: Mailbox, tmp_path: Path) -> None:
    assert check_mail(connection(mailbox.port)) == f"127.0.0.1:{mailbox.port}"
    assert list((tmp_path / "mail").glob("*.eml")) == []


def test_a_server_without_tls_gets_no_password(mailbox: Mailbox) -> None:
    with pytest.raises(UserError, match=r"rejects us: .*STARTTLS"):
        check_mail(connection(mailbox.port, extra={}, login="user", password="p"))


def test_a_server_that_is_not_there_and_a_value_that_is_no_connection_are_told_apart() -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 rejects us"):
        check_mail(connection(1))
    with pytest.raises(UserError, match="not an Airflow connection in JSON"):
        check_mail("smtp://user@host")


@pytest.fixture
def config(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", f"{repository}/config")
    return load("prod")


@pytest.mark.parametrize(("value", "fits"), [(6.0, False), (100.0, True)])
def test_the_quota_of_a_new_account_is_too_small(
    config: Config, monkeypatch: pytest.MonkeyPatch, value: float, fits: bool
) -> None:
    # moto knows the quotas of VPC only, so the answer is botocore's own stub, which checks the request.
    quotas = boto3.client("service-quotas", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(doctor, "checked_client", lambda *_: quotas)
    with Stubber(quotas) as stub:
        asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
        stub.add_response("get_service_quota", {"Quota": {"Value": value}}, asked)
        if fits:
            assert doctor._quota(config) == "100 vCPU on demand, 11 needed"
        else:
            with pytest.raises(UserError, match="6 vCPU on demand, but Airflow and two tasks at once need 11"):
                doctor._quota(config)


def test_alarms_reach_whoever_has_confirmed_the_subscription(
    repository: Path, cloud: FargateLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SNS's developer guide, "Email notifications": an address hears nothing before it has confirmed."""
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", f"{repository}/config")
    config = load("dev").model_copy(update={"aws": load("local").aws})
    sns = boto3.client("sns", **cloud.client_args)
    monkeypatch.setattr(doctor, "checked_client", lambda *_: sns)
    topic = sns.create_topic(Name="datavision-dev-alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="datos@datavision.example")
    with pytest.raises(UserError, match="nobody has confirmed"):
        doctor._alarms(config)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:confirmed")
    assert doctor._alarms(config) == "to arn:aws:sqs:us-east-1:123456789012:confirmed"


def test_airflows_share_of_the_quota_is_what_its_template_asks_for(repository: Path) -> None:
    resources = read_template(repository / "infra" / "airflow.yaml")["Resources"]
    units = sum(
        int(resources[service]["Properties"]["DesiredCount"])
        * int(resources[f"{service}Definition"]["Properties"]["Cpu"])
        for service in ("ApiServer", "Scheduler", "DagProcessor", "Triggerer")
    )
    assert units / 1024 == AIRFLOW_VCPU


def test_doctor_asks_for_mail_and_more_beyond_the_laptop(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_attempt", lambda check, *_: doctor.Finding(check, ""))
    checks = {finding.check for finding in examine_environment(config, [])}
    assert {
        "mail",
        "alarms",
        "fargate quota",
        "secret smtp",
        "secret airflow_fernet_key",
        "secret airflow_database_url",
    } <= checks
    assert "secret airflow_git" not in checks  # the repository is in S3
    elsewhere = config.airflow.model_copy(update={"git_url": "https://git.example/datavision"})
    found = examine_environment(config.model_copy(update={"airflow": elsewhere}), [])
    assert "secret airflow_git" in {finding.check for finding in found}
