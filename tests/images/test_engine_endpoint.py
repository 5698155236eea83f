"""Where engines push to: the registry's own name on AWS, the address of the embedded cloud, or `images.registry`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cloud_in_process import cloud_in_process

from datavision.config import Config
from datavision.environment import Environment
from datavision.images.engine_endpoint import EngineEndpoint, engine_endpoint
from fargate_local import FargateLocal


@pytest.fixture
def account(repository: Path) -> Iterator[Config]:
    """moto answers as AWS does: the token's `proxyEndpoint` is the registry's own name."""
    with cloud_in_process(repository) as config:
        yield config


def test_on_aws_it_is_the_registrys_own_name(account: Config) -> None:
    endpoint = engine_endpoint(account)
    assert (endpoint.host, endpoint.user) == (account.registry(), "AWS")
    assert endpoint.insecure() == []
    assert endpoint.password


def test_a_visitors_token_opens_the_registry_that_he_visits(account: Config) -> None:
    other = account.model_copy(update={"aws": account.aws.model_copy(update={"account_id": "210987654321"})})
    assert engine_endpoint(other, visitor=account).host == other.registry()


def test_a_registry_of_ones_own_asks_for_no_token(account: Config) -> None:
    for name, tls in (("127.0.0.1:5000", False), ("registry.example.com", True)):
        config = account.model_copy(update={"images": account.images.model_copy(update={"registry": name})})
        assert engine_endpoint(config) == EngineEndpoint(name, tls)


def test_on_the_embedded_cloud_it_is_the_clouds_address(account: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with FargateLocal() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        endpoint = engine_endpoint(Environment(account).at(cloud.url))
        assert endpoint.host == cloud.url.removeprefix("http://")
        assert endpoint.insecure("--src-tls-verify") == ["--src-tls-verify=false"]
