"""Stock engines against the embedded ECR: podman and skopeo, and tasks of a strict server."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.podman import REGISTRY, needs_podman, podman, podman_login, podman_push
from tests.support.strict_cloud import Account

from fargate_local import FargateLocal

pytestmark = needs_podman
EXECUTION: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    {"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*"},
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def account(state: Path, podman_image: str) -> Iterator[Account]:
    """A strict cloud whose ECR has what podman pushed to it."""
    with FargateLocal(state, runtime="podman", strict=True) as cloud:
        account = Account(cloud)
        account.client("ecr").create_repository(repositoryName="module")
        podman_push(account.client("ecr"), podman_image, "module:1.0.0")
        yield account


def run(account: Account, *statements: dict[str, Any], image: str = "module:1.0.0") -> dict[str, Any]:
    """A task that has ended, of an execution role with these permissions."""
    container = {"image": f"{REGISTRY}/{image}", "command": ["/bin/sh", "-c", "exit 7"]}
    return account.finish(account.define([], container=container, executionRoleArn=account.role(*statements)))


def skopeo(*words: str) -> str:
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_of_a_strict_server_runs_what_was_pushed(account: Account) -> None:
    task = run(account, *EXECUTION)
    assert task["containers"][0].get("exitCode") == 7, task
    (image,) = account.client("ecr").list_images(repositoryName="module")["imageIds"]
    assert task["containers"][0]["imageDigest"] == image["imageDigest"]
    assert list(Path(tempfile.gettempdir()).glob("fargate-local-pull-*")) == []


def test_an_execution_role_that_may_not_pull_starts_nothing(account: Account) -> None:
    assert "403 Forbidden" in run(account, *EXECUTION[:1])["stoppedReason"]


def test_podman_pulls_what_it_pushed(account: Account) -> None:
    host = podman_login(account.client("ecr"))
    podman("pull", "--quiet", "--tls-verify=false", f"{host}/module:1.0.0")
    name = f"{host}/module:1.0.0"
    assert podman("run", "--rm", "--network", "none", name, "/bin/sh", "-c", "echo $COLOUR") == "red"
    podman("rmi", name)


def test_skopeo_inspects_and_copies(account: Account, tmp_path: Path) -> None:
    host = podman_login(account.client("ecr"))
    account.client("ecr").create_repository(repositoryName="copies/module")
    source, target = f"docker://{host}/module:1.0.0", f"docker://{host}/copies/module:2"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", *plain, "--preserve-digests", source, target)
    inspected = [json.loads(skopeo("inspect", "--tls-verify=false", each)) for each in (source, target)]
    assert inspected[0]["Digest"] == inspected[1]["Digest"]
    assert inspected[1]["RepoTags"] == ["2"]
    skopeo("copy", "--src-tls-verify=false", target, f"oci:{tmp_path}/copy")
    skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/copy", target)
    assert run(account, *EXECUTION, image="copies/module:2")["containers"][0]["exitCode"] == 7


def test_a_push_that_is_not_allowed_says_so(account: Account, podman_image: str) -> None:
    # Without this one podman shows a bare 403: what it asks with HEAD has no body. The layers are there already.
    check = {"Effect": "Allow", "Action": "ecr:BatchCheckLayerAvailability", "Resource": "*"}
    role = account.session(account.role(*EXECUTION, check))("ecr")
    with pytest.raises(AssertionError, match="is not authorized to perform: ecr:PutImage"):
        podman_push(role, podman_image, "module:2.0.0")
    podman_login(account.client("ecr"))


def test_a_pull_asks_for_a_login(account: Account, tmp_path: Path) -> None:
    host = account.cloud.url.partition("//")[2]
    (tmp_path / "auth.json").write_text("{}")
    words = ["podman", "pull", "--tls-verify=false", "--authfile", str(tmp_path / "auth.json"), f"{host}/module:1.0.0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode != 0
    assert "authentication required" in done.stderr or "unauthorized" in done.stderr.lower()


def test_layers_are_there_after_a_restart(tmp_path: Path, podman_image: str) -> None:
    exits = []
    for number in range(2):
        with FargateLocal(tmp_path / "state", runtime="podman") as cloud:
            if number == 0:
                account = Account(cloud)
                account.client("ecr").create_repository(repositoryName="module")
                podman_push(account.client("ecr"), podman_image, "module:1.0.0")
                role = account.role(*EXECUTION)
                image = {"image": f"{REGISTRY}/module:1.0.0", "command": ["/bin/sh", "-c", "exit 7"]}
                definition = account.define([], container=image, executionRoleArn=role)
            again = boto3.client("ecs", **cloud.client_args)
            task = again.run_task(**account.request(definition))["tasks"][0]["taskArn"]
            again.get_waiter("tasks_stopped").wait(cluster="tests", tasks=[task], WaiterConfig={"Delay": 1})
            described = again.describe_tasks(cluster="tests", tasks=[task])["tasks"][0]
            exits.append(described["containers"][0].get("exitCode", described.get("stoppedReason")))
            podman("rmi", "--all", "--force", "--ignore") if number == 0 else None
    assert exits == [7, 7]
