"""`datavision release`, step by step; every step can be repeated, and nothing that runs changes before the last one."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from datavision.aws import Cloud
from datavision.config import Config
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.fargate.launching.release_record import ReleaseRecord, write_record
from datavision.images.builders import Builder, EngineChoice, open_builder
from datavision.images.registry import Registry
from datavision.images.source import tracked_files
from datavision.images.stamp import working_tree_stamp
from datavision.infra import move_airflow
from datavision.pins import Pin, PinnedImage, images_of
from datavision.release import versions
from datavision.release.changelog import with_release
from datavision.release.errors import DirtyTreeError
from datavision.release.gates.canary import run_canary
from datavision.release.gates.scan import check_scan
from datavision.release.pins.git import PinRepository
from datavision.release.pins.lock import locked
from datavision.release.pins.places import TAG_PREFIX, path_in_repository, repository
from datavision.release.pins.record import record_pins
from datavision.release.pins.store import PinChange, commit_pins, finish_checkout, now, unpinned
from datavision.release.plan import ModulePlan, Plan, make_plan
from datavision.release.registry.prune import InFlight, no_runs, prune
from datavision.state import project_root, state_dir
from datavision.task_definitions import TaskDefinitions

Report = Callable[[str], None]
_CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True)
class Release:
    """The result of a release."""

    env: str
    version: str
    images: Mapping[str, PinnedImage]
    built: tuple[str, ...]
    pinned: tuple[str, ...]
    """Pipelines whose pin changed; none when there was nothing to release."""
    commit: str
    """Head of the repository that keeps the pins."""


@dataclass(frozen=True)
class _Work:
    """What the steps share."""

    config: Config
    project: Path
    repo: PinRepository
    builder: Builder
    report: Report
    reason: str = "release"
    who: str | None = None


def plan(config: Config, *, bump: versions.Bump = "patch", engine: EngineChoice | None = None) -> Plan:
    """Return what `release` would do, changing nothing."""
    work = _work(config, engine, lambda _: None)
    return make_plan(config, work.project, work.repo, work.builder, bump)


def release(
    config: Config,
    *,
    bump: versions.Bump = "patch",
    engine: EngineChoice | None = None,
    report: Report = lambda _: None,
    in_flight: InFlight = no_runs,
    reason: str = "release",
    who: str | None = None,
) -> Release:
    """Release the working tree to an environment: build, push, scan, register, canary, pin; then prune if configured.

    Where Airflow is CloudFormation's its image is among them, and its services are moved to it last of all.

    A release that died halfway is finished by running it again. If nothing changed, nothing is written. `in_flight`
    returns what runs in flight may still launch, which pruning must keep. The pins name `who`, by default git's user.

    Raises:
        DirtyTreeError: Outside `local`, the working tree has uncommitted changes.
        LockedError: Another release, promotion or rollback is under way.
        UserError: A step failed; what runs is as before.
    """
    work = replace(_work(config, engine, report), reason=reason, who=who)
    finish_checkout(work.repo)
    if Environment(config).demands_clean_tree:
        refuse_dirty_tree(work.repo)
    with locked(config, "A release"):
        done = _release(work, bump)
    if Environment(config).runs_airflow:
        move_airflow(config, report=report)
    if config.images.prune_after_release:
        tidy_up(work, in_flight)
    return done


def refuse_dirty_tree(repo: PinRepository) -> None:
    """Check that the working tree is exactly a commit.

    Raises:
        DirtyTreeError: It has uncommitted changes.
    """
    if dirty := repo.dirty_files():
        listed = ", ".join(dirty[:5]) + (f" and {len(dirty) - 5} more" if len(dirty) > 5 else "")
        raise DirtyTreeError(f"The working tree has uncommitted changes: {listed}. Commit or stash them first.")


def tidy_up(work: _Work, in_flight: InFlight) -> None:
    """Delete the images that nothing needs since this release, which stands whether or not that works."""
    try:
        done = prune(work.config, delete=True, in_flight=in_flight)
    except (UserError, ClientError, BotoCoreError, OSError) as error:
        work.report(f"could not prune images ({error}); `datavision image prune --env {work.config.env} --delete` will")
        return
    if done.removable or done.freed:
        work.report(done.summary)


def _work(config: Config, engine: EngineChoice | None, report: Report) -> _Work:
    project = project_root()
    return _Work(
        config, project, repository(config), open_builder(config, project, state_dir(), engine, report), report
    )


def _release(work: _Work, bump: versions.Bump) -> Release:
    found = make_plan(work.config, work.project, work.repo, work.builder, bump)
    for module in found.modules:
        work.report(f"{module.module}: {'to be built' if module.image is None else 'unchanged since its last build'}")
    built = build_and_push(work, found)
    fresh = [m for m in built.modules if m.image and m.image.digest not in _digests(found.previous_images)]
    gate(work, fresh)
    images = register(work, built)
    canary(work, fresh, images)
    return pin(work, built, images, found.to_build)


def build_and_push(work: _Work, found: Plan) -> Plan:
    """Build and push what is not in the registry yet; return the plan with every image as the registry has it."""
    stamp = working_tree_stamp(work.project, found.version)

    def make(module: ModulePlan) -> ModulePlan:
        if module.image is not None:
            return module
        work.report(f"building {module.module} {found.version}")
        image = work.builder.push(work.builder.build(module.source, stamp), module.repository, module.source_tag)
        work.report(f"pushed {module.repository}@{image.digest[:19]}")
        return replace(module, image=image)

    with ThreadPoolExecutor(2, thread_name_prefix="build") as pool:
        return replace(found, modules=tuple(pool.map(make, found.modules)))


def gate(work: _Work, fresh: list[ModulePlan]) -> None:
    """Check new images against the scan gate."""
    for module in fresh:
        if module.image is not None and work.config.images.scan_gate != "off":
            work.report(f"scan of {module.module}: gate {work.config.images.scan_gate}")
            check_scan(work.config, module.repository, module.image.digest)


def register(work: _Work, built: Plan) -> dict[str, PinnedImage]:
    """Register task definition revisions where they differ from the latest, and return what will be pinned."""
    definitions = TaskDefinitions(work.config)
    images = {}
    for module in built.modules:
        if module.image is None:
            continue
        previous = built.previous_images.get(module.module)
        tags = [tag for tag in module.image.tags if versions.parse(tag)]
        unchanged = previous is not None and previous.digest == module.image.digest
        name = definitions.ensure(module.module, module.repository, module.image.digest)
        if name and (previous is None or previous.task_definition != name):
            work.report(f"task definition {name}")
        images[module.module] = PinnedImage(
            repository=module.repository,
            tag=previous.tag if previous and unchanged else (versions.latest(tags) or built.version),
            digest=module.image.digest,
            task_definition=name,
        )
    return images


def canary(work: _Work, fresh: list[ModulePlan], images: Mapping[str, PinnedImage]) -> None:
    """Run each new image's doctor as a real task; Airflow's has ECS's circuit breaker instead."""
    fresh = [module for module in fresh if images[module.module].task_definition]
    if not work.config.images.canary:
        return

    def run(module: ModulePlan) -> None:
        pinned = images[module.module]
        work.report(f"canary: {module.module} doctor on {pinned.task_definition}")
        run_canary(work.config, module.module, pinned.task_definition, pinned.digest)

    with ThreadPoolExecutor(len(fresh) or 1, thread_name_prefix="canary") as pool:
        list(pool.map(run, fresh))


def pin(work: _Work, built: Plan, images: Mapping[str, PinnedImage], made: tuple[str, ...]) -> Release:
    """Tag the images, write the record, and pin: all pipelines in one commit, or none if nothing changed.

    A pipeline that was rolled back stays there until there is something new to release.
    """
    changed = built.previous is None or dict(images) != dict(built.previous.images)
    version = built.version if changed or built.previous is None else built.previous.version
    names = list(built.names) if changed else unpinned(images, built.pins, list(built.names))
    registry = Registry(work.config)
    for image in images.values():
        if changed and image.tag == version:  # someone moved an older tag: that is drift, not part of this release
            registry.add_tag(image.repository, image.digest, image.tag)
    source = working_tree_stamp(work.project, version).commit
    record = ReleaseRecord(version=version, commit=source, released_at=now(), images=dict(images))
    write_record(Cloud.of(work.config), work.config, record)
    change = PinChange(
        env=work.config.env,
        pins={name: _pin(work, version, source, images_of(name, images)) for name in names},
        title=f"Release {version} to {work.config.env}" if names else "DAGs of the working tree",
        action="release" if names else None,
        release=version,
        tag=f"{TAG_PREFIX}{version}" if changed else None,
        files=_changelog(work, version, images) if changed else {},
    )
    commit = _write(work, built, change)
    work.report(f"pinned {', '.join(names)} to {version}" if names else f"nothing to release: {version} is current")
    return Release(work.config.env, version, images, made, tuple(names), commit)


def _pin(work: _Work, version: str, commit: str, images: Mapping[str, PinnedImage]) -> Pin:
    return Pin(
        version=version,
        commit=commit,
        pinned_at=now(),
        pinned_by=work.who or work.repo.identity(),
        reason=work.reason,
        images=dict(images),
    )


def _write(work: _Work, built: Plan, change: PinChange) -> str:
    in_bundle = Environment(work.config).pins_in_bundle
    if not (in_bundle or change.pins):
        return str(work.repo.head())
    commit = commit_pins(work.repo, change, _mirror(work, built) if in_bundle else None)
    record_pins(work.config, work.repo, change.pins)
    return commit


def _mirror(work: _Work, built: Plan) -> dict[str, str | None]:
    """Return the bundle's contents as stored objects: the working tree's `dags/`, and the bundle's own pins."""
    dags = work.project / "dags"
    files = [path for path in tracked_files(dags) if path.relative_to(dags).parts[0] != "pins"]
    paths = [path.relative_to(work.project).as_posix() for path in files]
    kept = {
        path: work.repo.store_text(text)
        for name in built.pins
        if (text := work.repo.read("HEAD", path := path_in_repository(built.env, name)))
    }
    return {**dict(zip(paths, work.repo.store(files), strict=True)), **kept}


def _changelog(work: _Work, version: str, images: Mapping[str, PinnedImage]) -> dict[str, str]:
    if Environment(work.config).pins_in_bundle:
        return {}
    return {_CHANGELOG: with_release(work.repo, version, images)}


def _digests(images: Mapping[str, PinnedImage]) -> set[str]:
    return {image.digest for image in images.values()}
