"""Names derived from what a launch is for, so that the same launch always has the same names."""

import hashlib
import re
from dataclasses import dataclass

TAG_PREFIX = "datavision:"
_TAG_LENGTH = 256
_TO_ESCAPE = re.compile(r"[^\w .:/+@-]", re.ASCII)
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+")


@dataclass(frozen=True)
class TaskKey:
    """One Airflow task instance, whatever its try."""

    env: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def label(self) -> str:
        """The task's name with its map index, e.g. `cargar[3]`."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def file_stem(self) -> str:
        """The same name, made safe for an object key."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}-{self.map_index}"


def client_token(key: TaskKey, try_number: int, launch: int, digest: str, generation: int = 0) -> str:
    """Return the clientToken of a launch: 64 hexadecimal characters, the most RunTask accepts.

    `generation` distinguishes a run that a user cleared from the one before when both count the same try.
    """
    parts = (*map(str, (key.env, key.dag_id, key.run_id, key.task_id, key.map_index)), str(try_number), str(launch))
    return hashlib.sha256("\0".join((*parts, digest, str(generation))).encode()).hexdigest()


def variables(key: TaskKey) -> dict[str, str]:
    """Return the variables that tell a container which task of which run it works for."""
    return {"DATAVISION_DAG_ID": key.dag_id, "DATAVISION_RUN_ID": key.run_id, "DATAVISION_TASK_ID": key.label}


def result_key(key: TaskKey, token: str) -> str:
    """Return the object key of a launch's result; each launch has its own, so that a stale one is never used."""
    return f"results/{key.env}/{key.dag_id}/{key.run_id}/{key.file_stem}/{token}.json"


def started_by(env: str) -> str:
    """Return the `startedBy` of all our tasks in `env`; ListTasks finds them by it."""
    return f"datavision-{env}"


def tags(
    key: TaskKey, try_number: int, launch: int, release: str, token: str, *, shared: bool = False
) -> list[dict[str, str]]:
    """Return the ECS tags that say which task instance a container belongs to; if shared, which session of a run."""
    values = {
        "env": key.env,
        "dag": key.dag_id,
        "run": key.run_id,
        "task": key.task_id,
        "map-index": str(key.map_index),
        "try": str(try_number),
        "launch": str(launch),
        "release": release,
        "token": token,
        **({"shared": "yes"} if shared else {}),
    }
    return [{"key": TAG_PREFIX + name, "value": escape(value)} for name, value in values.items()]


def read_tags(task_tags: list[dict[str, str]]) -> dict[str, str]:
    """Return our tags of a described task, without their prefix; truncated ones are left out."""
    ours = {
        tag["key"].removeprefix(TAG_PREFIX): tag.get("value", "")
        for tag in task_tags
        if tag["key"].startswith(TAG_PREFIX)
    }
    return {name: unescape(value) for name, value in ours.items() if not value.endswith("=")}


def escape(value: str) -> str:
    """Return `value` in the characters that ECS accepts in a tag: others, and "=", become =XX per byte of UTF-8.

    A longer value than a tag may have is truncated and ends in "=".
    """
    escaped = _TO_ESCAPE.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), value)
    return escaped if len(escaped) <= _TAG_LENGTH else escaped[: _TAG_LENGTH - 3].rstrip("=") + "="


def unescape(value: str) -> str:
    """Return the value that `escape` was given."""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[0].replace("=", "")).decode(), value)
