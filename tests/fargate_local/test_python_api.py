"""The package from Python: its public names, its weight, its pytest plugin."""

import subprocess
import sys

import boto3
import pytest

import fargate_local
from fargate_local import FargateLocal

pytest_plugins = ["pytester"]

USER_TEST = """
import boto3

def test_that_uses_the_cloud(fargate, fargate_faults):
    fargate_faults("throttling", action="ListClusters")
    assert [rule["fault"] for rule in fargate.faults()] == ["throttling"]

def test_that_comes_after(fargate):
    assert fargate.faults() == []
    assert boto3.client("ecs", **fargate.client_args).list_clusters()["clusterArns"] == []
"""


def test_the_public_names_are_these() -> None:
    assert fargate_local.__all__ == ["FargateLocal", "ImageStore", "ServerKey", "StoredImage"]
    assert all(hasattr(fargate_local, name) for name in fargate_local.__all__)
    with pytest.raises(AttributeError):
        fargate_local.nothing  # noqa: B018 - the access is the test


def test_the_pytest_plugin_imports_nothing_heavy() -> None:
    script = "import sys, fargate_local.pytest_plugin; print(sorted({'moto', 'boto3', 'psutil'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_clouds_share_nothing(fargate: FargateLocal) -> None:
    with FargateLocal() as other:
        boto3.client("ecs", **other.client_args).create_cluster(clusterName="only-here")
        here = boto3.client("ecs", **fargate.client_args).list_clusters()["clusterArns"]
        assert not [arn for arn in here if arn.endswith("/only-here")]


def test_a_cloud_outside_its_block_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="enter its with block"):
        _ = FargateLocal().pid


@pytest.mark.slow
def test_the_plugins_fixtures_serve_other_projects(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USER_TEST)
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider", "--import-mode=importlib")
    result.assert_outcomes(passed=2)
