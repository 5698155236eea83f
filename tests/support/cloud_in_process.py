"""AWS inside this process: the moto that fargate-local serves, without a server, for tests of single functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from moto import mock_aws

from datavision.aws import Cloud, client, forget_clients
from datavision.config import Config, load


@contextmanager
def cloud_in_process(repository: Path) -> Iterator[Config]:
    """Yield the configuration of `dev` with empty buckets of results and of audit records."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
        patch.setenv("DATAVISION_AWS__ACCOUNT_ID", "123456789012")
        patch.setenv("DATAVISION_ENV", "dev")
        forget_clients()
        config = load()
        for bucket in (config.storage.results_bucket, config.storage.audit_bucket):
            client(Cloud.of(config), "s3").create_bucket(Bucket=bucket)
        yield config
    forget_clients()
