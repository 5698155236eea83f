"""Where the page finds pins, the project's history, and what runs left behind."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.environment import Environment
from datavision.errors import PinError
from datavision.fargate.attempt.accounting import RUNNING
from datavision.fargate.outcome.audit import AuditRecord, read_audits
from datavision.page.documents import run_summary
from datavision.page.model import Run
from datavision.pins import parse_pin
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import path_in_repository, repository
from datavision.state import project_root

_BUNDLE = "datavision"
_FETCH_SECONDS = 30
_READERS = 8
_KEPT_RUNS = 5_000


@dataclass(frozen=True)
class Repositories:
    """The repository that keeps the pins, and the one that modules are released from."""

    pins: PinRepository
    project: PinRepository


def repositories(config: Config) -> Repositories:
    """Return an environment's repositories: on this machine its own, elsewhere Airflow's clone of the one for both.

    Raises:
        ReleaseError: The working directory is not in a clone of the project.
    """
    if Environment(config).pins_in_bundle:
        return Repositories(repository(config), PinRepository.of_project(project_root()))
    clone = _bundle(int(time.monotonic() / _FETCH_SECONDS))
    return Repositories(clone, clone)


@lru_cache(maxsize=1)
def _bundle(_period: int) -> PinRepository:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    bundle: Any = DagBundlesManager().get_bundle(_BUNDLE)  # type: ignore[no-untyped-call]  # Airflow's
    bundle.initialize()  # fetches too
    return PinRepository.bare(bundle.bare_repo_path)


class Versions:
    """Which release a run began with: the version in the pin at its bundle's commit, which never changes."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[tuple[str, str], str | None] = {}

    def of(self, pins: PinRepository, env: str, runs: Iterable[Run]) -> dict[str, str | None]:
        """Return the release of each run by its id; None where it cannot be known any more."""
        listed = list(runs)
        wanted = {(run.dag_id, run.bundle_version) for run in listed if run.bundle_version}
        missing = sorted(wanted - self._known.keys())
        texts = pins.read_all([f"{commit}:{path_in_repository(env, dag_id)}" for dag_id, commit in missing])
        self._known.update(zip(missing, map(_version, texts), strict=True))
        return {
            run.run_id: run.asked_release or self._known.get((run.dag_id, run.bundle_version or "")) for run in listed
        }


def _version(text: str | None) -> str | None:
    try:
        return parse_pin(text, "pin").version if text else None
    except PinError:
        return None


def read_launches(config: Config, run: Run) -> list[AuditRecord]:
    """Return the audit records of a run's containers, in order of launch."""
    day = day_of(run.run_after)
    return read_audits(Cloud.of(config), config.storage.audit_bucket, config.env, run.dag_id, day, run.run_id)


class Summaries:
    """What runs cost and did. A run that has ended is read once: eight objects each would be slow at every visit."""

    def __init__(self, read: Callable[[Config, Run], list[AuditRecord]] = read_launches) -> None:
        """Read runs with `read`."""
        self._read = read
        self._known: OrderedDict[tuple[str, str, Any], dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def of(self, config: Config, runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
        """Return the summary of each run by its id."""
        listed = list(runs)
        with ThreadPoolExecutor(_READERS) as pool:
            return dict(
                zip((run.run_id for run in listed), pool.map(lambda run: self._one(config, run), listed), strict=True)
            )

    def _one(self, config: Config, run: Run) -> dict[str, Any]:
        key = (run.dag_id, run.run_id, run.end)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        records = self._read(config, run)
        found = run_summary(records)
        if run.ended and all(record.outcome != RUNNING for record in records):
            with self._lock:
                self._known[key] = found
                while len(self._known) > _KEPT_RUNS:
                    self._known.popitem(last=False)
        return found
