"""Where pins are: which repository and path hold those of an environment, and which pipelines have one."""

from pathlib import Path

from datavision.config import Config
from datavision.environment import Environment
from datavision.pins import AIRFLOW, pin_path
from datavision.release.errors import ReleaseError
from datavision.release.pins.git import PinRepository
from datavision.state import project_root, state_dir

TAG_PREFIX = "v"
BUNDLE_NAME = "dags.git"


def bundle_path(state: Path) -> Path:
    """Return the bare repository that holds the DAGs and pins of `local`, Airflow's git bundle there."""
    return state / BUNDLE_NAME


def repository(config: Config) -> PinRepository:
    """Return the repository that keeps the pins of `config`'s environment."""
    if Environment(config).pins_in_bundle:
        return PinRepository.bare(bundle_path(state_dir()))
    return PinRepository.of_project(project_root())


def path_in_repository(env: str, pipeline: str) -> str:
    """Return the path of a pin inside its repository, e.g. `dags/pins/prod/pipeline_fact_rfm.toml`."""
    return pin_path(Path("dags"), env, pipeline).as_posix()


def pipelines(project: Path) -> list[str]:
    """Return the DAG ids that are pinned: the names of `dags/pipeline_*.py`.

    Raises:
        ReleaseError: There are none.
    """
    found = sorted(path.stem for path in (project / "dags").glob("pipeline_*.py"))
    if not found:
        raise ReleaseError(f"{project / 'dags'} has no pipeline_*.py: there is nothing to pin.")
    return found


def pinned_names(config: Config, project: Path) -> list[str]:
    """Return what is pinned in an environment: the pipelines, and Airflow itself where CloudFormation makes it.

    Raises:
        ReleaseError: There are no pipelines.
    """
    return [*pipelines(project), *([AIRFLOW] if Environment(config).runs_airflow else [])]


def released_images(config: Config) -> list[str]:
    """Return the images that an environment's releases consist of: the modules', and Airflow's where it is pinned."""
    return [*config.modules, *([AIRFLOW] if Environment(config).runs_airflow else [])]


def require_pinned(config: Config, project: Path, name: str) -> None:
    """Check that there is such a pipeline, or that the name is Airflow's where it is pinned.

    Raises:
        ReleaseError: There is none.
    """
    known = pinned_names(config, project)
    if name not in known:
        raise ReleaseError(f"There is no pipeline {name!r}. Use one of: {', '.join(known)}.")
