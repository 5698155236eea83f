"""Container logs from CloudWatch: forwarded while running, resumed by token, best effort.

A problem with logs never fails or delays a task, so every reader here returns what it could get.
"""

from dataclasses import dataclass
from typing import Any

from datavision.aws import Cloud, client
from datavision.fargate.edge.json_objects import read_json

_MAX_PAGES = 50


@dataclass(frozen=True)
class LogStream:
    """Where the awslogs driver writes: `<prefix>/<container>/<task id>`, with the module as prefix and container."""

    group: str
    name: str

    @classmethod
    def of(cls, group: str, module: str, task_arn: str) -> "LogStream":
        """Return the stream of a module's task."""
        return cls(group, f"{module}/{module}/{task_arn.rsplit('/', 1)[-1]}")

    def page(self, token: str | None) -> dict[str, Any]:
        """Return the arguments of GetLogEvents for what follows `token` (None: from the start)."""
        request: dict[str, Any] = {"logGroupName": self.group, "logStreamName": self.name, "startFromHead": True}
        return request | ({"nextToken": token} if token else {})


def lines_of(page: dict[str, Any]) -> list[str]:
    """Return the messages in one answer of GetLogEvents."""
    return [str(event["message"]).rstrip("\n") for event in page.get("events", [])]


def read_on(cloud: Cloud, stream: LogStream, token: str | None) -> tuple[list[str], str | None]:
    """Return the lines after `token` and the token to continue from; on an error, none and the same token."""
    from botocore.exceptions import BotoCoreError, ClientError

    lines: list[str] = []
    try:
        for _ in range(_MAX_PAGES):
            page = client(cloud, "logs").get_log_events(**stream.page(token))
            lines += lines_of(page)
            following = page.get("nextForwardToken")
            if following == token or not page.get("events"):
                return lines, following or token
            token = following
    except (ClientError, BotoCoreError):
        return lines, token
    return lines, token


def last_lines(cloud: Cloud, stream: LogStream, count: int) -> tuple[str, ...]:
    """Return the last `count` lines, or none when they cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        page = client(cloud, "logs").get_log_events(
            logGroupName=stream.group, logStreamName=stream.name, startFromHead=False, limit=count
        )
    except (ClientError, BotoCoreError):
        return ()
    return tuple(lines_of(page)[-count:])


def read_position(cloud: Cloud, bucket: str, key: str) -> str | None:
    """Return the position that a follower saved, or None when there is none."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        value = read_json(cloud, bucket, key, 4096)
    except (ClientError, BotoCoreError, ValueError):
        return None
    position = value.get("position") if isinstance(value, dict) else None
    return position if isinstance(position, str) else None
