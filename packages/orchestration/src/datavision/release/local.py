"""The release that `make run` makes: of the working tree, to `local`."""

from collections.abc import Callable
from pathlib import Path

from datavision.config import Config
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import bundle_path
from datavision.release.registry.prune import InFlight, no_runs
from datavision.release.release import release


def bundle_repository(state: Path) -> Path:
    """Return the bare repository that is the local Airflow's git bundle (branch `main`, subfolder `dags`)."""
    return bundle_path(state)


def bundle_is_ready(state: Path) -> bool:
    """Return whether the bundle holds a release: Airflow cannot open an empty repository."""
    path = bundle_path(state)
    return (path / "HEAD").exists() and PinRepository.bare(path).head() is not None


def release_local(config: Config, report: Callable[[str], None], in_flight: InFlight = no_runs) -> str:
    """Release the working tree and return the bundle's commit that holds its DAGs and pins."""
    return release(config, report=report, in_flight=in_flight).commit
