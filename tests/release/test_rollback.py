"""One pipeline back, and forward again; what is wrong is said."""

from typing import Any

import boto3
import pytest

from datavision.images.registry import Registry
from datavision.pins import PinnedImage, read_pin
from datavision.release.diff import diff
from datavision.release.errors import LockedError, ReleaseError, UnknownRelease
from datavision.release.pins.drift import pin_states
from datavision.release.pins.history import history
from datavision.release.pins.lock import locked
from datavision.release.release import Release, release
from datavision.release.rollback import rollback

RFM, DAILY = "pipeline_fact_rfm", "pipeline_suscripciones"

pytestmark = pytest.mark.usefixtures("small_images")


@pytest.fixture
def releases(project: Any, request: pytest.FixtureRequest) -> tuple[Release, Release]:
    first = release(project.config)
    project.change_ingesta("the second of two releases")
    return first, release(project.config, bump="minor")


def pinned(project: Any, pipeline: str) -> Any:
    return read_pin(project.path / "dags", "dev", pipeline)


def drift(project: Any, pipeline: str) -> tuple[str, ...]:
    (state,) = pin_states(project.config, project.repo, [pipeline])
    return state.drift


def move_tag(cloud: Any, image: PinnedImage, digest: str) -> None:
    """Point an image's tag at another image, as somebody with the rights to do so could."""
    ecr = boto3.client("ecr", **cloud.client_args)
    ecr.batch_delete_image(repositoryName=image.repository, imageIds=[{"imageTag": image.tag}])
    (other,) = ecr.batch_get_image(repositoryName=image.repository, imageIds=[{"imageDigest": digest}])["images"]
    ecr.put_image(repositoryName=image.repository, imageManifest=other["imageManifest"], imageTag=image.tag)


def test_only_the_named_pipeline_goes_back(project: Any, releases: tuple[Release, Release]) -> None:
    first, second = releases
    done = rollback(project.config, RFM, first.version, reason="segmentos vacíos")
    assert (done.before, done.pin.version) == (second.version, first.version)
    assert dict(pinned(project, RFM).images) == dict(first.images)
    assert pinned(project, RFM).reason == "segmentos vacíos"
    assert dict(pinned(project, DAILY).images) == dict(second.images)
    assert project.repo.changed_paths(done.commit) == [f"dags/pins/dev/{RFM}.toml"]


def test_forward_again_is_a_rollback_to_the_newer_version(project: Any, releases: tuple[Release, Release]) -> None:
    first, second = releases
    rollback(project.config, RFM, first.version)
    rollback(project.config, RFM, second.version)
    assert pinned(project, RFM).images == pinned(project, DAILY).images
    versions = [entry.pin.version for entry in history(project.repo, "dev", RFM)]
    assert versions == [second.version, first.version, second.version, first.version]


def test_a_rolled_back_pipeline_stays_so_until_something_new_is_released(
    project: Any, releases: tuple[Release, Release]
) -> None:
    first, _ = releases
    rollback(project.config, RFM, first.version)
    assert release(project.config).pinned == ()
    assert pinned(project, RFM).version == first.version
    project.change("packages/ingesta/README.md", "something new")
    third = release(project.config)
    assert pinned(project, RFM).version == third.version


def test_a_second_time_nothing_is_written(project: Any, releases: tuple[Release, Release]) -> None:
    first, _ = releases
    done = rollback(project.config, RFM, first.version)
    assert rollback(project.config, RFM, first.version).commit == done.commit


def test_a_version_it_never_had_is_refused_with_those_it_had(project: Any, releases: tuple[Release, Release]) -> None:
    first, second = releases
    with pytest.raises(UnknownRelease, match=rf"It had: {second.version}, {first.version}\."):
        rollback(project.config, RFM, "99.0.0")


def test_an_unknown_pipeline_is_refused_with_the_known_ones(project: Any) -> None:
    with pytest.raises(ReleaseError, match="pipeline_completo, pipeline_fact_rfm, pipeline_suscripciones"):
        rollback(project.config, "pipeline_rfm", "0.1.0")


def test_it_waits_for_nobody(project: Any, releases: tuple[Release, Release]) -> None:
    with locked(project.config, "A release"), pytest.raises(LockedError):
        rollback(project.config, RFM, releases[0].version)


def test_a_deregistered_revision_is_drift_and_is_registered_again(
    project: Any, releases: tuple[Release, Release], cloud: Any
) -> None:
    first, _ = releases
    revision = first.images["ingesta"].task_definition
    boto3.client("ecs", **cloud.client_args).deregister_task_definition(taskDefinition=revision)
    done = rollback(project.config, RFM, first.version)
    assert done.registered == (done.pin.images["ingesta"].task_definition,)
    assert done.registered != (revision,)
    assert done.pin.images["ingesta"].digest == first.images["ingesta"].digest
    assert drift(project, RFM) == ()


@pytest.mark.slow
def test_an_image_deleted_from_the_registry_is_drift_and_refused(project: Any) -> None:
    project.change_ingesta("an image to delete")
    first = release(project.config)
    project.change_ingesta("the one after it")
    release(project.config)
    gone = first.images["ingesta"]
    Registry(project.config).delete(gone.repository, [gone.digest])
    with pytest.raises(ReleaseError, match=f"{gone.digest} of release {first.version} is gone"):
        rollback(project.config, RFM, first.version)
    assert drift(project, RFM) == ()


@pytest.mark.slow
def test_a_deleted_image_that_is_pinned_is_built_and_pinned_anew_by_a_release(project: Any) -> None:
    project.change_ingesta("a pinned image to delete")
    first = release(project.config)
    gone = first.images["ingesta"]
    Registry(project.config).delete(gone.repository, [gone.digest])
    assert any("is gone from the registry" in problem for problem in drift(project, RFM))
    again = release(project.config)
    assert again.built == ("ingesta",)
    assert drift(project, RFM) == ()


@pytest.mark.slow
def test_a_tag_moved_behind_our_back_is_drift_and_runs_go_on_by_digest(project: Any, cloud: Any) -> None:
    project.change_ingesta("a tag to move")
    first = release(project.config)
    project.change_ingesta("the image it moves to")
    second = release(project.config)
    old, new = first.images["ingesta"], second.images["ingesta"]
    move_tag(cloud, old, new.digest)
    done = rollback(project.config, RFM, first.version)
    assert done.pin.images["ingesta"].digest == old.digest
    assert drift(project, RFM) == (f"ingesta: tag {old.tag} was moved to {new.digest[:19]}",)


@pytest.mark.slow
def test_a_moved_tag_does_not_stand_in_the_way_of_a_release(project: Any, cloud: Any) -> None:
    project.change_ingesta("an old image")
    first = release(project.config)
    project.change_ingesta("a new image")
    second = release(project.config)
    move_tag(cloud, second.images["ingesta"], first.images["ingesta"].digest)
    assert release(project.config).pinned == ()
    assert project.repo.head() == second.commit


def test_a_pin_edited_by_hand_is_drift_committed_or_not(project: Any) -> None:
    release(project.config)
    path = project.path / f"dags/pins/dev/{RFM}.toml"
    path.write_text(path.read_text().replace('reason = "release"', 'reason = "mine"'))
    assert any("edited by hand and not committed" in problem for problem in drift(project, RFM))
    project.commit("Fix the pin")
    assert any("(Fix the pin) is not a release" in problem for problem in drift(project, RFM))


def test_a_malformed_pin_is_named_and_restored_by_a_rollback(project: Any) -> None:
    done = release(project.config)
    (project.path / f"dags/pins/dev/{RFM}.toml").write_text("version = 1")
    project.commit("Break the pin")
    assert any("malformed" in problem for problem in drift(project, RFM))
    rollback(project.config, RFM, done.version)
    assert pinned(project, RFM).version == done.version


def test_the_difference_of_two_versions_names_commits_packages_and_models(project: Any) -> None:
    first = release(project.config)
    model = next((project.path / "packages/transformacion").rglob("models/**/fact_rfm.sql"))
    project.change(str(model.relative_to(project.path)), "-- otra segmentación")
    second = release(project.config)
    found = diff(project.config, RFM, first.version, second.version)
    assert found.models == {"fact_rfm": "changed"}
    assert set(found.images) == {"transformacion"}
    assert [line.partition(" ")[2] for line in found.commits["transformacion"]] == [
        f"Change {model.relative_to(project.path)}"
    ]
    assert found.dependencies == {}
