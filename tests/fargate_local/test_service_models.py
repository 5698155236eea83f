"""What botocore knows of services is read once by the server, however many sessions moto makes."""

import boto3
import pytest
from botocore import session
from botocore.loaders import JSONFileLoader

from fargate_local.cloud.moto_gate import MotoGate


@pytest.fixture(autouse=True)
def _gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "create_loader", session.create_loader)
    MotoGate()


def test_sessions_after_the_gate_is_made_read_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    first = boto3.Session()
    assert first.get_available_regions("ecs")
    assert "ecs" in first.get_available_services()
    monkeypatch.setattr(JSONFileLoader, "load_file", None)
    assert boto3.Session().get_available_regions("ecs") == first.get_available_regions("ecs")


def test_a_server_that_makes_sessions_for_days_searches_no_more_folders() -> None:
    assert "s3" in boto3.Session().get_available_resources()
    loader = session.Session().get_component("data_loader")
    before = len(loader.search_paths)
    assert "s3" in boto3.Session().get_available_resources()
    assert len(loader.search_paths) == before
