"""The podman runtime: the real image by digest from the cloud's own registry."""

import json
import resource
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


def said(ecs: Ecs, definition: str) -> list[str]:
    return ecs.logs(ecs.finish(definition)["taskArn"])


def test_a_read_only_root_is_read_only_everywhere_but_in_volumes(ecs: Ecs) -> None:
    # API reference, ContainerDefinition, readonlyRootFilesystem; on Fargate it may have no tmpfs (LinuxParameters).
    script = "for place in /file /tmp/file /run/file /in/file; do (echo x > $place) 2>/dev/null && echo $place; done"
    mounts = [{"sourceVolume": "shared", "containerPath": "/in"}]
    definition = ecs.define(
        container(script, readonlyRootFilesystem=True, mountPoints=mounts), volumes=[{"name": "shared"}]
    )
    assert said(ecs, definition) == ["/in/file"]


def test_the_tasks_user_runs_it_and_no_file_of_the_image_knows_of_it(ecs: Ecs) -> None:
    script = "id -u; test -e /etc/passwd && cat /etc/passwd; echo $HOME"
    assert said(ecs, ecs.define(container(script, user="1234"))) == ["1234", "/"]


def test_a_volume_is_roots_and_empty_unless_the_image_declares_it(ecs: Ecs) -> None:
    # Developer guide, "Use bind mounts with Amazon ECS": a `VOLUME` keeps contents, owner and mode of the image's
    # folder; without one "the volume permissions are set to 0755 and the owner as root".
    show = "perl -e 'for (@ARGV) { @s = stat; printf qq(%o %d %s\\n), $s[2] & 07777, $s[4], join q(,), glob qq($_/*) }'"
    mounts = [
        {"sourceVolume": "first", "containerPath": "/declared"},
        {"sourceVolume": "second", "containerPath": "/plain"},
    ]
    definition = ecs.define(
        container(f"{show} /declared /plain", user="1234", mountPoints=mounts),
        volumes=[{"name": "first"}, {"name": "second"}],
    )
    assert said(ecs, definition) == ["1777 1234 /declared/kept", "755 0 "]


def test_nothing_that_podman_adds_is_there(ecs: Ecs) -> None:
    names = "env | while IFS== read name value; do echo $name; done; for file in /run/.* /run/*; do echo $file; done"
    found = set(said(ecs, ecs.define(container(names))))
    assert not found & {"container", "TERM", "/run/.containerenv"}
    assert {"COLOUR", "PATH", "HOME", "HOSTNAME"} <= found


def test_the_names_it_knows_are_its_own(ecs: Ecs) -> None:
    name, *hosts = said(ecs, ecs.define(container("hostname; cat /etc/hosts")))
    assert hosts == ["127.0.0.1 localhost", f"{name[3:].partition('.')[0].replace('-', '.')} {name}"]


def test_limits_capabilities_and_shared_memory_are_fargates(ecs: Ecs) -> None:
    # API reference, Ulimit: 65535 open files. KernelCapabilities: Docker's default set. sharedMemorySize is not for
    # Fargate: Docker's 64 MiB. The definition cannot ask for no-new-privileges (dockerSecurityOptions).
    script = (
        "ulimit -Sn; ulimit -Hn;"
        " while read name value; do case $name in CapBnd:|NoNewPrivs:) echo $value;; esac; done < /proc/self/status;"
        " while read a path c options; do case $path in /dev/shm) echo $options;; esac; done < /proc/mounts"
    )
    files = str(min(65_535, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    soft, hard, *found, memory = said(ecs, ecs.define(container(script)))
    assert (soft, hard) == (files, files)
    assert set(found) == {"00000000a80425fb", "0"}
    assert "size=65536k" in memory


def test_another_user_than_root_has_no_capability_in_effect(ecs: Ecs) -> None:
    script = "while read name value; do case $name in CapEff:) echo $value;; esac; done < /proc/self/status"
    assert said(ecs, ecs.define(container(script, user="1234"))) == ["0000000000000000"]


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
