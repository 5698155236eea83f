"""Releases of a real project to an embedded account."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from datavision.aws import Cloud
from datavision.config import load
from datavision.fargate.launching.release_record import read_record
from datavision.images.registry import Registry
from datavision.pins import read_pin
from datavision.release.errors import CanaryError, DirtyTreeError, GateError, LockedError
from datavision.release.pins.history import history
from datavision.release.pins.lock import locked
from datavision.release.release import plan, release

PIPELINES = ("pipeline_completo", "pipeline_fact_rfm", "pipeline_suscripciones")


def test_a_release_pins_every_pipeline_in_one_tagged_commit(project: Any) -> None:
    before = project.repo.head()
    done = release(project.config)
    assert done.pinned == PIPELINES
    assert project.git("rev-list", "--count", f"{before}..HEAD") == "1"
    assert project.git("rev-parse", f"v{done.version}") == done.commit
    for pipeline in PIPELINES:
        pin = read_pin(project.path / "dags", "dev", pipeline)
        assert (pin.version, pin.commit, pin.pinned_by) == (done.version, before, "Ana <ana@datavision.example>")
    assert project.git("status", "--porcelain") == ""


def test_the_digest_is_the_registrys_and_the_tag_names_it(project: Any) -> None:
    done = release(project.config)
    for image in done.images.values():
        found = Registry(project.config).find(image.repository, tag=image.tag)
        assert found is not None
        assert found.digest == image.digest


def test_the_task_definition_runs_the_image_by_digest(project: Any, cloud: Any) -> None:
    done = release(project.config)
    ecs = boto3.client("ecs", **cloud.client_args)
    for module, image in done.images.items():
        definition = ecs.describe_task_definition(taskDefinition=image.task_definition)["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        assert container["name"] == module
        assert container["image"] == f"{project.config.registry()}/{image.repository}@{image.digest}"
        assert container["readonlyRootFilesystem"] is True
        assert definition["taskRoleArn"].endswith(f"role/datavision-dev-{module}")


def test_a_release_without_a_change_writes_nothing(project: Any) -> None:
    first = release(project.config)
    second = release(project.config)
    assert (second.version, second.commit, second.built, second.pinned) == (first.version, first.commit, (), ())


def test_only_the_changed_module_gets_a_new_tag_and_digest(project: Any) -> None:
    first = release(project.config)
    project.change_ingesta("only the changed module")
    second = release(project.config, bump="minor")
    assert second.built == ("ingesta",)
    assert second.version.split(".")[1] == str(int(first.version.split(".")[1]) + 1)
    assert second.images["ingesta"].tag == second.version
    assert second.images["ingesta"].digest != first.images["ingesta"].digest
    assert second.images["transformacion"] == first.images["transformacion"]


def test_a_package_that_modules_share_rebuilds_all_of_them(project: Any) -> None:
    release(project.config)
    project.change("packages/runtime/src/datavision_runtime/exit_codes.py", "# shared")
    assert plan(project.config).to_build == ("ingesta", "transformacion")


def test_a_change_outside_the_modules_builds_nothing(project: Any) -> None:
    release(project.config)
    project.change("docs/notes.md", "a note")
    project.change("packages/orchestration/README.md", "more")
    assert plan(project.config).to_build == ()


def test_the_changelog_names_version_and_images(project: Any) -> None:
    done = release(project.config)
    text = (project.path / "CHANGELOG.md").read_text()
    assert f"## {done.version} (" in text
    assert f"- ingesta: `{done.images['ingesta'].tag}`" in text
    assert text.index("## Unreleased") < text.index(f"## {done.version}")


def test_the_record_that_a_run_asks_for_holds_the_images(project: Any) -> None:
    done = release(project.config)
    record = read_record(Cloud.of(project.config), project.config, done.version)
    assert record is not None
    assert record.images == dict(done.images)


def test_a_dirty_tree_is_refused_before_anything_is_done(project: Any) -> None:
    (project.path / "README.md").write_text("changed")
    with pytest.raises(DirtyTreeError, match=r"README\.md"):
        release(project.config)


def test_a_dry_run_changes_nothing(project: Any) -> None:
    project.change_ingesta("dry run")
    head = project.repo.head()
    found = plan(project.config)
    assert found.to_build == ("ingesta",)
    assert project.repo.head() == head
    image = Registry(project.config).find("datavision/ingesta", tag=found.modules[0].source_tag)
    assert image is None


@pytest.mark.slow
def test_a_finding_above_the_gate_stops_the_release_before_the_pins(project: Any, cloud: Any) -> None:
    head = project.repo.head()
    project.change_ingesta("scan gate")
    finding = {"name": "CVE-2026-0001", "severity": "CRITICAL"}
    findings = {"findings": [finding], "findingSeverityCounts": {"CRITICAL": 1}}
    result = {
        "results": [
            {
                "imageScanFindings": findings,
                "imageScanStatus": {"status": "COMPLETE"},
                "registryId": "123456789012",
                "repositoryName": "datavision/ingesta",
                "imageId": {},
            }
        ],
        "region": "us-east-1",
    }
    call = AWSRequest("POST", f"{cloud.url}/moto-api/static/ecr/scan-finding-results", {}, json.dumps(result))
    SigV4Auth(Credentials(cloud.key.access_key_id, cloud.key.secret_access_key), "ecr", "us-east-1").add_auth(call)
    httpx.post(str(call.url), content=call.body, headers=dict(call.headers)).raise_for_status()
    with pytest.raises(GateError, match=r"1 CRITICAL.*CVE-2026-0001"):
        release(project.config)
    assert project.git("rev-parse", "HEAD~1") == head


@pytest.mark.slow
def test_a_canary_that_fails_shows_its_log_and_pins_nothing(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_IMAGES__CANARY", "true")
    project.change_ingesta("canary")
    head = project.repo.head()
    with pytest.raises(
        CanaryError, match=r"(?s)canary of ingesta failed \(exit [12].*log:\n.*Nothing that runs was changed"
    ):
        release(load("dev"))
    assert project.repo.head() == head
    assert not list((project.path / "dags").glob("pins/dev/*"))


def test_the_second_of_two_releases_says_who_holds_the_environment(project: Any) -> None:
    with (
        locked(project.config, "A release"),
        pytest.raises(LockedError, match=r"A release is changing dev \(process \d+"),
    ):
        release(project.config)
    assert release(project.config).pinned == PIPELINES


@pytest.mark.slow
def test_the_claim_of_a_dead_process_is_taken_over(project: Any) -> None:
    script = "import os, datavision.config as c; from datavision.release.pins.lock import locked\n"
    script += "with locked(c.load('dev'), 'A release'): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=project.path).returncode == 9
    assert release(project.config).pinned == PIPELINES


@pytest.mark.slow
def test_tags_that_a_dead_release_left_on_other_images_are_not_reused(project: Any) -> None:
    found = plan(project.config)
    release(project.config)
    image = Registry(project.config).find("datavision/ingesta", tag=found.modules[0].source_tag)
    assert image is not None
    Registry(project.config).add_tag("datavision/ingesta", image.digest, "9.0.0")
    project.git("tag", "v8.9.9")
    project.change_ingesta("dead release")
    assert release(project.config, bump="major").version == "9.0.1"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("building ingesta", marks=pytest.mark.slow),
        pytest.param("pushed datavision/ingesta", marks=pytest.mark.slow),
        pytest.param("task definition", marks=pytest.mark.slow),
        "pinned",
    ],
    ids=lambda line: line.split()[0],
)
def test_a_release_killed_after_a_step_is_finished_by_running_it_again(project: Any, line: str, tmp_path: Path) -> None:
    project.change_ingesta(f"killed after {line} in {tmp_path.name}")
    _kill_when_it_says(project, line)
    done = release(project.config)
    assert len({read_pin(project.path / "dags", "dev", name).version for name in PIPELINES}) == 1
    assert project.git("tag", "--points-at", "HEAD") == f"v{done.version}"
    assert project.git("status", "--porcelain") == ""
    for name in PIPELINES:
        assert [entry.pin.version for entry in history(project.repo, "dev", name)] == [done.version]


def test_a_release_killed_between_commit_and_checkout_leaves_no_dirt(project: Any) -> None:
    done = release(project.config)
    project.git("rm", "--quiet", "--cached", "dags/pins/dev/pipeline_completo.toml")
    (project.path / "dags/pins/dev/pipeline_completo.toml").unlink()
    assert release(project.config).commit == done.commit
    assert project.git("status", "--porcelain") == ""


def _kill_when_it_says(project: Any, line: str) -> None:
    command = [str(Path(sys.executable).with_name("datavision")), "release", "--env", "dev"]
    with subprocess.Popen(command, cwd=project.path, stderr=subprocess.PIPE, text=True) as process:
        for said in process.stderr or ():
            if line in said:
                process.kill()
                break
        else:
            pytest.fail(f"the release never said {line!r}")
