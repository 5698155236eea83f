"""What Airflow loads: the tabs of the page, and the app that serves it."""

from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from datavision.page.files import STATIC

PREFIX = "/datavision"
_NAME = "DataVision"


async def page(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Serve the page, imported at the first request: every Airflow process loads plugins, and one of them serves."""
    from datavision.page.app import app

    await app(scope, receive, send)


def _view(destination: str, route: str) -> dict[str, Any]:
    # Airflow's UI keeps the component under its name; the hash in the address is what gets a new one past the cache.
    version = sha256((STATIC / "page.mjs").read_bytes()).hexdigest()[:12]
    icons = {"icon": f"{PREFIX}/static/icon.svg", "icon_dark_mode": f"{PREFIX}/static/icon-dark.svg"}
    bundle = f"{PREFIX}/static/page.mjs?{version}"
    return {
        "name": _NAME,
        "bundle_url": bundle.removeprefix("/"),
        "destination": destination,
        "url_route": route,
        **{name: path.removeprefix("/") for name, path in icons.items()},
    }


class DataVisionPlugin(AirflowPlugin):
    """The page: in the navigation, and as a tab of each DAG, run, task and task instance."""

    name = "datavision"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012 - declared so by Airflow
        {"app": page, "url_prefix": PREFIX, "name": _NAME}
    ]
    react_apps: list[dict[str, Any]] = [  # noqa: RUF012 - declared so by Airflow
        {**_view("nav", "datavision"), "nav_top_level": True},
        _view("dag", "datavision-pipeline"),
        _view("dag_run", "datavision-run"),
        _view("task", "datavision-task"),
        _view("task_instance", "datavision-launch"),
    ]
