"""Who pinned what and why, kept where nobody can delete it: an object for each change of a pin.

`s3://<audit bucket>/pins/<env>/<pipeline>/<day>/<commit of the pin>.json`, from the commits of the pins themselves.
"""

from collections.abc import Iterable
from typing import Any

from datavision.aws import Cloud
from datavision.config import Config
from datavision.fargate.edge.json_objects import create_json, list_keys
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import PinnedVersion, history

_LOOKED_AT = 50
"""Changes of a pipeline's pin that are looked at: those of commands that were killed before they got here are made up
for by the next one."""


def record_pins(config: Config, repo: PinRepository, pipelines: Iterable[str]) -> None:
    """Write what the newest commits did to the pins of `pipelines`, except what is recorded.

    Raises:
        ClientError: A record cannot be written. The pins are committed all the same.
    """
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    for pipeline in pipelines:
        known = set(list_keys(cloud, bucket, f"pins/{config.env}/{pipeline}/"))
        for entry in history(repo, config.env, pipeline, _LOOKED_AT):
            key = f"pins/{config.env}/{pipeline}/{entry.pin.pinned_at[:10]}/{entry.commit}.json"
            if key not in known:
                create_json(cloud, bucket, key, _record(config.env, pipeline, entry))


def _record(env: str, pipeline: str, entry: PinnedVersion) -> dict[str, Any]:
    return {
        "env": env,
        "pipeline": pipeline,
        "action": entry.action,
        "pin_commit": entry.commit,
        **entry.pin.model_dump(mode="json"),
    }
