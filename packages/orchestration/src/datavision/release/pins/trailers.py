"""What a commit of pins records about itself, in git trailers: written and read here, so that no title is ever parsed.

Commits from before there were trailers are read by their titles.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Action = Literal["release", "promote", "rollback"]
_ACTION, _ENVIRONMENT, _RELEASE, _PIPELINE = (
    f"DataVision-{name}" for name in ("Action", "Environment", "Release", "Pipeline")
)
_OLD_TITLES: tuple[tuple[Action, str], ...] = (
    ("release", r"Release (?P<version>\S+) to (?P<env>\w+)$"),
    ("promote", r"Promote (?P<version>\S+) from \w+ to (?P<env>\w+)$"),
    ("rollback", r"Pin (?P<pipeline>\w+) in (?P<env>\w+) to (?P<version>\S+): "),
)


@dataclass(frozen=True)
class Statement:
    """Which action pinned what in which environment."""

    action: Action
    env: str
    release: str
    pipelines: tuple[tuple[str, str], ...] = ()
    """(pipeline, version) of each pin that was written."""


def compose(statement: Statement, title: str) -> str:
    """Return the message of the commit that carries `statement`."""
    lines = [
        f"{_ACTION}: {statement.action}",
        f"{_ENVIRONMENT}: {statement.env}",
        f"{_RELEASE}: {statement.release}",
        *(f"{_PIPELINE}: {name} {version}" for name, version in statement.pipelines),
    ]
    return f"{title}\n\n" + "\n".join(lines) + "\n"


def parse(message: str) -> Statement | None:
    """Return what a commit says about itself, or None when it is not a release, promotion or rollback."""
    # git's own rule: trailers are the last paragraph.
    trailers = [line.partition(": ")[::2] for line in message.strip().rpartition("\n\n")[2].splitlines()]
    values = dict(trailers)
    for action in get_args(Action):
        if values.get(_ACTION) == action:
            pairs = (value.partition(" ")[::2] for key, value in trailers if key == _PIPELINE)
            return Statement(action, values.get(_ENVIRONMENT, ""), values.get(_RELEASE, ""), tuple(pairs))
    return _parse_title(message.partition("\n")[0])


def _parse_title(title: str) -> Statement | None:
    for action, pattern in _OLD_TITLES:
        if match := re.match(pattern, title):
            found = match.groupdict()
            pairs = ((found["pipeline"], found["version"]),) if "pipeline" in found else ()
            return Statement(action, found["env"], found["version"], pairs)
    return None
