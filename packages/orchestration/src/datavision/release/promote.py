"""Pins the images that one environment runs in another one, byte for byte."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from datavision.aws import Cloud
from datavision.config import Config
from datavision.environment import runs_here
from datavision.fargate.launching.release_record import ReleaseRecord, write_record
from datavision.images.builders import Builder, open_builder
from datavision.images.engine_endpoint import EngineEndpoint, engine_endpoint
from datavision.images.errors import ImageError
from datavision.images.registry import Registry
from datavision.infra import move_airflow
from datavision.pins import AIRFLOW, Pin, PinnedImage
from datavision.release.errors import ReleaseError
from datavision.release.gates.canary import run_canary
from datavision.release.gates.scan import check_scan
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import current_pins
from datavision.release.pins.lock import locked
from datavision.release.pins.places import pinned_names, repository
from datavision.release.pins.record import record_pins
from datavision.release.pins.store import PinChange, commit_pins, finish_checkout
from datavision.release.release import refuse_dirty_tree
from datavision.release.rollback import replace_images, require_image
from datavision.release.versions import latest
from datavision.state import project_root, state_dir
from datavision.task_definitions import TaskDefinitions

Report = Callable[[str], None]


@dataclass(frozen=True)
class Promotion:
    """The result of a promotion."""

    source: str
    target: str
    pins: dict[str, Pin]
    """The pins that changed, by pipeline."""
    commit: str


def promote(source: Config, target: Config, *, report: Report = lambda _: None) -> Promotion:
    """Give every pipeline of `target`, and its Airflow, the digests that it has in `source`; nothing is built.

    Images are first copied if the registries differ, scanned, registered, and tried by a canary in `target`.

    Raises:
        ReleaseError: Nothing is pinned in `source`, or an environment is `local` and the other one is not.
        LockedError: A release, promotion or rollback of `target` is under way.
        UserError: A step failed; what runs in `target` is as before.
    """
    if runs_here(source.env) or runs_here(target.env) or source.env == target.env:
        raise ReleaseError(f"Cannot promote from {source.env} to {target.env}. Promote from dev to prod.")
    project = project_root()
    repo = repository(target)
    finish_checkout(repo)
    refuse_dirty_tree(repo)
    names = [name for name in pinned_names(target, project) if name in pinned_names(source, project)]
    wanted = current_pins(repo, source.env, names)
    if missing := [name for name in names if name not in wanted]:
        raise ReleaseError(
            f"{', '.join(missing)} has no pin in {source.env}. Release first: `datavision release --env {source.env}`."
        )
    with locked(target, f"A promotion from {source.env}"):
        builder = open_builder(target, project, state_dir())
        present = current_pins(repo, target.env, list(wanted))
        known = {image.digest for pin in present.values() for image in pin.images.values()}
        ready: dict[str, dict[str, PinnedImage]] = {}
        for name, pin in wanted.items():
            ready[name] = {
                module: _prepare(source, target, builder, module, image, known, report)
                for module, image in pin.images.items()
            }
            known |= {image.digest for image in ready[name].values()}
        done = _pin(source, target, repo, wanted, ready, present)
    if AIRFLOW in names:
        move_airflow(target, report=report)
    return done


def _prepare(
    source: Config, target: Config, builder: Builder, module: str, image: PinnedImage, known: set[str], report: Report
) -> PinnedImage:
    if image.digest not in known:
        copy_image(source, target, image, report)
    require_image(target, builder, image.tag, image)
    name = TaskDefinitions(target).ensure(module, image.repository, image.digest)
    if image.digest not in known:
        check_scan(target, image.repository, image.digest)
        if target.images.canary and name:
            report(f"canary: {module} doctor on {name}")
            run_canary(target, module, name, image.digest)
    return image.model_copy(update={"task_definition": name})


def copy_image(source: Config, target: Config, image: PinnedImage, report: Report) -> None:
    """Copy an image between two registries, digest unchanged; does nothing if it is there.

    All of it with the target's credentials: in another account, `images.reader_accounts` lets them read there.

    Raises:
        ImageError: skopeo is not installed, or the copy failed.
    """
    here, there = Registry(source, visitor=target), Registry(target)
    if there.find(image.repository, digest=image.digest) is None:
        report(f"copying {image.repository}:{image.tag} to {target.registry()}")
        manifest = here.manifest(image.repository, image.digest)
        if source.registry() != target.registry():
            _copy_layers(source, target, image)
        there.put(image.repository, image.tag, manifest)
    there.add_tag(image.repository, image.digest, image.tag)


def _copy_layers(source: Config, target: Config, image: PinnedImage) -> None:
    if shutil.which("skopeo") is None:
        raise ImageError("Copying images between registries needs skopeo. Install it (`apt-get install skopeo`).")
    here, there = engine_endpoint(source, visitor=target), engine_endpoint(target)
    done = subprocess.run(
        [
            *("skopeo", "copy", "--preserve-digests"),
            *_sign_on("src", here),
            *_sign_on("dest", there),
            f"docker://{here.host}/{image.repository}@{image.digest}",
            f"docker://{there.host}/{image.repository}:{image.tag}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ImageError(f"skopeo could not copy {image.repository}@{image.digest}:\n{done.stderr.strip()}")


def _sign_on(side: str, endpoint: EngineEndpoint) -> list[str]:
    credentials = [f"--{side}-creds", f"{endpoint.user}:{endpoint.password}"] if endpoint.password else []
    return [*endpoint.insecure(f"--{side}-tls-verify"), *credentials]


def _pin(
    source: Config,
    target: Config,
    repo: PinRepository,
    wanted: dict[str, Pin],
    ready: dict[str, dict[str, PinnedImage]],
    present: dict[str, Pin],
) -> Promotion:
    pins = {
        name: replace_images(pin, repo.identity(), f"promoted from {source.env}", ready[name])
        for name, pin in wanted.items()
        if name not in present or (present[name].version, dict(present[name].images)) != (pin.version, ready[name])
    }
    for pin in pins.values():
        record = ReleaseRecord(version=pin.version, commit=pin.commit, released_at=pin.pinned_at, images=pin.images)
        write_record(Cloud.of(target), target, record)
    if not pins:
        return Promotion(source.env, target.env, {}, str(repo.head()))
    newest = latest(pin.version for pin in pins.values()) or ""
    change = PinChange(
        env=target.env,
        pins=pins,
        title=f"Promote {newest} from {source.env} to {target.env}",
        action="promote",
        release=newest,
    )
    commit = commit_pins(repo, change)
    record_pins(target, repo, change.pins)
    return Promotion(source.env, target.env, pins, commit)
