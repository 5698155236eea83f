"""Deletes images from the registry that no pin, rollback window, upcoming run or running task needs."""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter

from datavision.aws import checked_client
from datavision.config import ENVIRONMENTS, Config
from datavision.environment import runs_here
from datavision.fargate.edge.ecs_tasks import described
from datavision.images.builders import open_builder
from datavision.images.registry import RegisteredImage, Registry
from datavision.pins import AIRFLOW
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import history
from datavision.release.pins.lock import locked
from datavision.release.pins.places import bundle_path, pipelines, released_images
from datavision.release.registry.retention import PinPeriod, Window, needed, removable
from datavision.state import project_root, state_dir


@dataclass(frozen=True)
class Pruning:
    """What may be deleted, and why the rest is kept (digest → reason)."""

    removable: tuple[RegisteredImage, ...]
    kept: Mapping[str, str]
    deleted: bool
    freed: int = 0
    """Bytes of this machine's disk that the deletion gave back."""

    @property
    def bytes(self) -> int:
        """Size of what may be deleted, as the registry reports it."""
        return sum(image.size for image in self.removable)

    @property
    def summary(self) -> str:
        """What was done, or would be, in one sentence."""
        count = f"{len(self.removable)} image{'' if len(self.removable) == 1 else 's'}"
        listed = f"{count} of {_mebibytes(self.bytes)}"
        needed = f"{len(self.kept)} are needed"
        if self.deleted:
            return f"deleted {listed} from the registry, which freed {_mebibytes(self.freed)} on this disk; {needed}"
        advice = "; nothing was deleted: add --delete" if self.removable else ""
        return f"{listed} can be deleted, {needed}{advice}"


InFlight = Callable[[], Mapping[str, str]]
"""The images that runs in flight may still launch: digest → reason."""


def no_runs() -> Mapping[str, str]:
    """Return no images: no run is in flight."""
    return {}


def prune(
    config: Config, *, delete: bool = False, in_flight: InFlight = no_runs, now: datetime | None = None
) -> Pruning:
    """Find the images that may leave the registry of `config`'s environment; remove them only if `delete`.

    Pins of all environments count, since they may share the registry.

    Args:
        config: the environment.
        delete: really delete.
        in_flight: what runs which have begun may still launch; needed where the window is shorter than a run.
        now: the moment to judge at; by default the present one.

    Raises:
        LockedError: A release, promotion or rollback is under way.
    """
    with locked(config, "An image prune"):
        project = project_root()
        window = Window(config.images.keep_releases, config.images.keep_days)
        crons = cron_schedules(project / "dags")
        moment = now or datetime.now(UTC)
        in_use = {**in_flight(), **_in_use(config)}
        reasons = needed(
            list(_periods(project)), in_use, window, lambda name, after: next_run(crons, name, after), moment
        )
        registry = Registry(config)
        images = [image for module in released_images(config) for image in registry.images(config.repository(module))]
        free = removable(images, reasons, moment, timedelta(hours=config.images.keep_unpinned_hours))
        freed = _delete(config, project, registry, free) if delete else 0
        kept = {i.digest: reasons[i.digest] for i in images if i.digest in reasons}
        return Pruning(tuple(free), kept, delete, freed)


def _delete(config: Config, project: Path, registry: Registry, free: Sequence[RegisteredImage]) -> int:
    builder = open_builder(config, project, state_dir())
    freed = 0
    for image in free:
        registry.delete(image.repository, [image.digest])
        freed += builder.discard(image.digest)
    return freed + builder.tidy(len(config.modules) * config.images.keep_releases)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def cron_schedules(dags_folder: Path) -> dict[str, str]:
    """Return the cron expression by DAG id of the DAG files that have one, read without running them."""
    found = {}
    for path in dags_folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "schedule" and (expression := _argument(node.value)):
                found[path.stem] = expression
    return found


def _argument(node: ast.expr) -> str | None:
    """Return the text in `cron("…")`."""
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    return None


def next_run(crons: Mapping[str, str], pipeline: str, after: datetime) -> datetime | None:
    """Return the first scheduled run of `pipeline` after a moment, or None without a schedule."""
    if pipeline not in crons:
        return None
    from datavision.business_day import ZONE

    moment: datetime = croniter(crons[pipeline], after.astimezone(ZoneInfo(ZONE))).get_next(datetime)
    return moment


def _periods(project: Path) -> Iterator[PinPeriod]:
    for env, repo in _repositories(project):
        for pipeline in [*pipelines(project), AIRFLOW]:
            for entry in history(repo, env, pipeline):
                digests = frozenset(image.digest for image in entry.pin.images.values())
                yield PinPeriod(env, pipeline, entry.pin.version, datetime.fromisoformat(entry.pin.pinned_at), digests)


def _repositories(project: Path) -> Iterator[tuple[str, PinRepository]]:
    for env in ENVIRONMENTS:
        if not runs_here(env):
            yield env, PinRepository.of_project(project)
        elif (bundle_path(state_dir()) / "HEAD").exists():
            yield env, PinRepository.bare(bundle_path(state_dir()))


def _in_use(config: Config) -> dict[str, str]:
    found = {}
    for task in described(checked_client(config, "ecs"), config.ecs.cluster, desiredStatus="RUNNING"):
        for container in task["containers"]:
            if digest := container.get("imageDigest"):
                found[digest] = f"runs now ({task['taskArn'].rsplit('/', 1)[-1]})"
    return found
