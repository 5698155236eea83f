"""`datavision sql --env dev`: the catalog's address from Secrets Manager, the files from S3."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.cloud import pointing_to

from datavision import infra
from datavision.config import load
from datavision.local.cloud import aws_environment
from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect
from fargate_local import FargateLocal

State = Any


@pytest.fixture(scope="module")
def account(server: EmbeddedPostgres, cloud: FargateLocal, repository: Path) -> Iterator[dict[str, str]]:
    """The variables of someone signed in to an account whose dev lakehouse has one table."""
    with pytest.MonkeyPatch.context() as patch:
        signed_in = {
            **aws_environment(cloud.url, "us-east-1"),
            **pointing_to(cloud, repository),
            "DATAVISION_AWS__ACCOUNT_ID": "123456789012",  # the embedded cloud's
        }
        for name, value in signed_in.items():
            patch.setenv(name, value)
        config = load("dev")
        bucket, _, _ = config.storage.lakehouse_path.removeprefix("s3://").partition("/")
        boto3.client("s3", **cloud.client_args).create_bucket(Bucket=bucket)
        catalog = server.url("lakehouse_of_dev")
        made = LakehouseSettings.model_validate({"catalog_url": catalog, "data_path": config.storage.lakehouse_path})
        with connect(made) as lake:
            lake.execute("CREATE SCHEMA marts; CREATE TABLE marts.ventas AS SELECT 41 + 1 AS monto FROM range(20)")
        infra.put_secret_values(config, {"lakehouse_catalog_url": catalog})
        yield signed_in


@pytest.mark.slow
def test_the_lakehouse_of_an_environment_is_read_with_its_secret(state: State, account: dict[str, str]) -> None:
    query = "select count(*) as filas, min(monto) as monto from marts.ventas"
    done = state.run("sql", query, "--env", "dev", "--format", "csv", more=account)
    assert done.stdout == "filas,monto\n20,42\n", done.stderr


def test_without_the_right_to_read_the_secret_it_says_which_one_to_ask_for(
    state: State, account: dict[str, str]
) -> None:
    done = state.run("sql", "select 1", "--env", "prod", more=account)
    assert done.returncode == 2
    assert "secretsmanager:GetSecretValue" in done.stderr
