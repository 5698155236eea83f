"""What the page changes: it does what the commands `datavision rollback` and `datavision release` do."""

import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from airflow.utils.session import create_session
from botocore.exceptions import BotoCoreError, ClientError

from datavision.config import Config
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.page.airflow_data import begun_runs
from datavision.release.in_flight import images_of
from datavision.release.pins.places import repository
from datavision.release.plan import Plan
from datavision.release.release import plan, release
from datavision.release.rollback import rollback

Line = dict[str, Any]


class ReviewedError(UserError):
    """This environment's pins are commits that somebody reviews: the page shows the command instead."""


def refuse_reviewed(config: Config, command: str) -> None:
    """Refuse to write pins that belong into the project's own history.

    Raises:
        ReviewedError: They do.
    """
    if not Environment(config).pins_in_bundle:
        raise ReviewedError(f"Pins of {config.env} are commits of the project. Run in a clone of it: {command}")


def rollback_command(config: Config, pipeline: str, version: str, reason: str) -> str:
    """Return the command that does the same as the dialog."""
    quoted = "'" + reason.replace("'", "'\\''") + "'"
    return f"datavision rollback {pipeline} --to {version} --env {config.env} --reason {quoted} --push"


def release_command(config: Config) -> str:
    """Return the command that releases to an environment."""
    return f"datavision release --env {config.env} --push"


def roll_back(config: Config, pipeline: str, version: str, reason: str, who: str) -> dict[str, Any]:
    """Pin a pipeline to a version that it had.

    Raises:
        UserError: It cannot be; the text says why, and nothing was changed.
    """
    refuse_reviewed(config, rollback_command(config, pipeline, version, reason))
    steps: list[str] = []
    done = rollback(config, pipeline, version, reason=reason, who=who, report=steps.append)
    return {"before": done.before, "version": done.pin.version, "commit": done.commit, "steps": steps}


def planned(config: Config) -> dict[str, Any]:
    """Return what a release would do.

    Raises:
        UserError: It cannot be told.
    """
    refuse_reviewed(config, release_command(config))
    found = plan(config)
    return {
        "released": found.previous.version if found.previous else None,
        "version": found.version,
        "pipelines": list(found.names),
        "modules": {module.module: _fate(found, module.module) for module in found.modules},
    }


def _fate(found: Plan, module: str) -> str:
    (image,) = (item.image for item in found.modules if item.module == module)
    if image is None:
        return "build"
    before = found.previous_images.get(module)
    return "keep" if before is not None and before.digest == image.digest else "pin"


def releasing(config: Config, reason: str, who: str) -> Iterator[Line]:
    """Release the working tree; yield each step as it begins, and at the end what was done or what went wrong.

    The release goes on if nobody listens any more: half of one helps nobody.
    """
    said: SimpleQueue[Line] = SimpleQueue()
    threading.Thread(target=_release, args=(config, reason, who, said.put), name="page-release", daemon=True).start()
    while True:
        line = said.get()
        yield line
        if "step" not in line:
            return


def _release(config: Config, reason: str, who: str, say: Callable[[Line], None]) -> None:
    def in_flight() -> Mapping[str, str]:
        with create_session() as session:
            begun = begun_runs(session)
        return images_of(config, repository(config), begun)

    try:
        done = release(config, report=lambda step: say({"step": step}), in_flight=in_flight, reason=reason, who=who)
    except (UserError, BotoCoreError, ClientError, OSError) as error:
        say({"error": str(error)})
    except BaseException as error:
        say({"error": f"{type(error).__name__}: {error}. The log of the API server has the traceback."})
        raise
    else:
        say({"done": {"version": done.version, "built": list(done.built), "pinned": list(done.pinned)}})
