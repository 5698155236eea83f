"""The podman runtime: the real image by digest from the cloud's own registry."""

import json
from collections.abc import Iterator

import pytest
from tests.support.cloud import Ecs
from tests.support.podman import REGISTRY, PodmanCloud, needs_podman, podman
from tests.support.podman import podman_container as container

pytestmark = needs_podman


@pytest.fixture(scope="module")
def ecs(podman_cloud: PodmanCloud) -> Iterator[Ecs]:
    with podman_cloud() as ecs:
        yield ecs


def test_the_image_is_pulled_by_digest_and_runs(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container()))
    assert task["containers"][0].get("exitCode") == 0, task
    (image,) = ecs.client("ecr").describe_images(repositoryName="module", imageIds=[{"imageTag": "1.0.0"}])[
        "imageDetails"
    ]
    assert task["containers"][0]["imageDigest"] == image["imageDigest"]
    assert ecs.logs(task["taskArn"]) == ["default"]


@pytest.mark.parametrize("code", [3, 125, 126, 127])
def test_the_exit_code_of_the_command_is_the_containers(ecs: Ecs, code: int) -> None:
    task = ecs.finish(ecs.define(container(f"exit {code}")))
    assert task["containers"][0]["exitCode"] == code


def test_environment_of_image_and_task_meet_and_the_cloud_is_reached(ecs: Ecs) -> None:
    script = 'echo "$COLOUR $SIZE $AWS_ENDPOINT_URL $PATH"'
    environment = [{"name": "SIZE", "value": "two words"}, {"name": "PATH", "value": "/bin:/own"}]
    task = ecs.finish(ecs.define(container(script, environment=environment)))
    assert ecs.logs(task["taskArn"]) == [f"red two words {ecs.cloud.url} /bin:/own"]


def test_a_read_only_root_leaves_tmp_writable(ecs: Ecs) -> None:
    script = "echo x > /tmp/file && echo tmp; echo x > /file || echo refused"
    task = ecs.finish(ecs.define(container(script, readonlyRootFilesystem=True)))
    lines = ecs.logs(task["taskArn"])
    assert "tmp" in lines
    assert "refused" in lines


def test_the_tasks_user_runs_it(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container("id -u", user="1234")))
    assert ecs.logs(task["taskArn"]) == ["1234"]


def test_sigterm_reaches_the_command_and_sigkill_follows(ecs: Ecs) -> None:
    kind = ecs.define(container("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"))
    stubborn = ecs.define(container("trap '' TERM; echo ready; while :; do sleep 0.1; done", stopTimeout=2))
    codes = []
    for family in (kind, stubborn):
        arn = ecs.run(family)
        ecs.log_line(arn)
        ecs.api.stop_task(cluster=ecs.cluster, task=arn)
        codes.append(ecs.stopped(arn)["containers"][0]["exitCode"])
    assert codes == [5, 137]


def test_memory_is_limited(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container("head -c 300000000 /dev/zero | tail > /dev/null; exit $?", memory=64)))
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"].startswith("OutOfMemoryError")


def test_a_program_the_image_has_not_fails_to_start(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({**container(), "command": ["/no-such-program"]}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError")
    assert "no-such-program" in task["stoppedReason"]


def test_an_image_the_registry_has_not_cannot_be_pulled(ecs: Ecs) -> None:
    ghost = f"sha256:{'0' * 64}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})
    ecs.client("ecr").put_image(repositoryName="module", imageManifest=manifest, imageTag="ghost", imageDigest=ghost)
    task = ecs.finish(ecs.define({"image": f"{REGISTRY}/module:ghost", "command": ["x"]}))
    assert task["stoppedReason"].startswith("CannotPullContainerError: pull image manifest has been retried")


def test_a_volume_is_shared_and_gone_afterwards(ecs: Ecs) -> None:
    family = ecs.define(
        container(
            "cat /in/word; echo x > /in/y || echo refused",
            dependsOn=[{"containerName": "writer", "condition": "SUCCESS"}],
            mountPoints=[{"sourceVolume": "shared", "containerPath": "/in", "readOnly": True}],
        ),
        container(
            "echo hello > /out/word",
            name="writer",
            essential=False,
            mountPoints=[{"sourceVolume": "shared", "containerPath": "/out"}],
        ),
        volumes=[{"name": "shared"}],
    )
    lines = ecs.logs(ecs.finish(family)["taskArn"])
    assert {"hello", "refused"} <= set(lines)
    assert podman("volume", "ls", "--quiet") == ""


def test_a_line_of_standard_error_is_not_broken_by_one_of_standard_output(ecs: Ecs) -> None:
    script = "for i in 1 2 3 4 5; do printf half >&2; sleep 0.1; echo whole; sleep 0.1; echo -other >&2; done"
    lines = ecs.logs(ecs.finish(ecs.define(container(script)))["taskArn"])
    assert sorted(lines) == ["half-other"] * 5 + ["whole"] * 5


def test_limits_and_capabilities_are_the_definitions(ecs: Ecs) -> None:
    script = "ulimit -Sn; while read name value; do case $name in CapBnd:) echo $value;; esac; done < /proc/self/status"
    settings = {
        # Podman takes its own default for what is not given, and here that is more than it may set.
        "ulimits": [
            {"name": "nofile", "softLimit": 100, "hardLimit": 200},
            {"name": "nproc", "softLimit": 1024, "hardLimit": 1024},
        ],
        "linuxParameters": {"capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}},
    }
    lines = ecs.logs(ecs.finish(ecs.define(container(script, **settings)))["taskArn"])
    assert lines == ["100", f"{1 << 19:016x}"]


def test_a_health_check_runs_in_the_container(ecs: Ecs) -> None:
    check = {"command": ["CMD-SHELL", 'test "$COLOUR" = red && cat /tmp/well'], "interval": 5, "retries": 1}
    arn = ecs.run(ecs.define(container("echo yes > /tmp/well; sleep 60", healthCheck=check, stopTimeout=2)))
    assert ecs.until(arn, lambda task: task["healthStatus"] != "UNKNOWN")["healthStatus"] == "HEALTHY"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)


def test_no_container_is_left(ecs: Ecs) -> None:
    ecs.finish(ecs.define(container("exit 0")))
    assert podman("ps", "--all", "--quiet", "--filter", "label=fargate-local.server") == ""
