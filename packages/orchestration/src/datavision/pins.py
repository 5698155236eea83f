"""Pins: the record that ties one pipeline in one environment to exact images.

A pin is `dags/pins/<env>/<pipeline>.toml`; only releases and rollbacks write it, DAGs read it at parse time.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datavision.errors import PinError

AIRFLOW = "airflow"
"""What is pinned besides pipelines: Airflow's own image, under the same name."""


class PinnedImage(BaseModel):
    """One module's image: where it is, its exact content, and the task definition revision that runs it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    tag: str
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    task_definition: str = Field(pattern=r"^([A-Za-z0-9_-]+:\d+)?$")
    """`family:revision`; empty for Airflow's own image, whose services CloudFormation makes."""


class Pin(BaseModel):
    """What one pipeline runs, or Airflow itself: a release and its images, keyed by module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    commit: str
    """Git commit the release was built from."""
    pinned_at: str
    """ISO 8601 with zone."""
    pinned_by: str
    reason: str
    images: dict[str, PinnedImage]

    def image(self, module: str) -> PinnedImage:
        """Return the image of `module`.

        Raises:
            PinError: This pin has no image for it.
        """
        try:
            return self.images[module]
        except KeyError:
            known = ", ".join(sorted(self.images)) or "none"
            raise PinError(
                f"Release {self.version} pins no image for module {module!r} (it pins: {known}). "
                "Run `datavision release` to build and pin it."
            ) from None


def images_of(name: str, images: Mapping[str, PinnedImage]) -> dict[str, PinnedImage]:
    """Return those of a release's images that the pin of a pipeline names, or that of `AIRFLOW`."""
    return {module: image for module, image in images.items() if (module == AIRFLOW) == (name == AIRFLOW)}


def pin_path(dags_folder: Path, env: str, pipeline: str) -> Path:
    """Return the path of the pin of `pipeline` in `env` below the `dags/` folder."""
    return dags_folder / "pins" / env / f"{pipeline}.toml"


def read_pin(dags_folder: Path, env: str, pipeline: str) -> Pin:
    """Read a pin.

    Raises:
        PinError: It is missing or malformed.
    """
    path = pin_path(dags_folder, env, pipeline)
    try:
        return parse_pin(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise PinError(
            f"{pipeline} has no pin in {env} ({path} is missing). Run `datavision release --env {env}`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PinError(f"{path} cannot be read ({error}). Restore it from git, or release again.") from error


def parse_pin(text: str, origin: str) -> Pin:
    """Parse the TOML text of a pin; `origin` names it in errors.

    Raises:
        PinError: It is malformed.
    """
    try:
        return Pin.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise PinError(f"{origin} is not a valid pin: {error}. Restore it from git, or release again.") from error


def render_pin(pin: Pin) -> str:
    """Return a pin as TOML; the same pin always has the same text."""
    return tomli_w.dumps(pin.model_dump())
