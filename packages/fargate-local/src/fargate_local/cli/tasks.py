"""`fargate-local ps`, `logs` and `stop`."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fargate_local.cli.client import DEFAULT_URL, asking, client
from fargate_local.cli.moments import milliseconds
from fargate_local.cli.output import AsJson, Cluster, Region, Url, UserError, complain, say, say_columns, say_json
from fargate_local.protocol.arns import last_part

PS_EXAMPLE = "Example: fargate-local ps --all"
LOGS_EXAMPLE = "Example: fargate-local logs 84c9fae7422d48d3acc588d72d687381 --follow --since 10m"
STOP_EXAMPLE = "Example: fargate-local stop 84c9fae7422d48d3acc588d72d687381 --reason 'wrong date'"
POLL_SECONDS = 0.5
SHORT = 12
"""Characters of a task's id on a terminal: enough to name it to the other commands."""

TaskName = Annotated[str, typer.Argument(help="ARN or id of the task, or the beginning of its id.")]


def ps(
    url: Url = DEFAULT_URL,
    cluster: Cluster = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also stopped tasks.")] = False,
    region: Region = "us-east-1",
    as_json: AsJson = False,
) -> None:
    """List tasks. On a terminal ids are cut to what the other commands need, and lines to its width."""
    with asking(url):
        found = find_tasks(url, region, cluster, ("RUNNING", "STOPPED") if everything else ("RUNNING",))
    if as_json:
        say_json(found)
        return
    rows = [
        [
            last_part(task["taskArn"]),
            last_part(task["clusterArn"]),
            last_part(task["taskDefinitionArn"]),
            task["lastStatus"],
            age(task["createdAt"]),
            exit_codes(task),
            task.get("stoppedReason", ""),
        ]
        for task in found
    ]
    titles = ("task", "cluster", "definition", "status", "created", "exit", "reason")
    say_columns(titles, rows, short={"task": SHORT}, give_up=("reason", "cluster", "definition"))


def logs(
    task: TaskName,
    url: Url = DEFAULT_URL,
    cluster: Cluster = None,
    container: Annotated[str | None, typer.Option(help="Only this container.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the task has stopped.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Only what is newer: 10m, 2h, 1d, or an ISO time.", show_default=False)
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only what is older, in such words.", show_default=False)] = None,
    region: Region = "us-east-1",
    as_json: AsJson = False,
) -> None:
    """Print what a task's containers have logged."""
    bounds = {"startTime": milliseconds(since, "--since"), "endTime": milliseconds(until, "--until")}
    span = {name: moment for name, moment in bounds.items() if moment is not None}
    with asking(url):
        described = the_task(url, region, cluster, task)
        streams = log_streams(url, region, described, container)
        if not streams:
            complain("this task has no awslogs container: add a logConfiguration to its definition")
        tokens: dict[str, str] = {}
        while True:
            stopped = the_task(url, region, cluster, described["taskArn"])["lastStatus"] == "STOPPED"
            for name, (group, stream) in streams.items():
                source = (name, group, stream)
                print_new(url, region, source, tokens, span, named=len(streams) > 1, as_json=as_json)
            if stopped or not follow:
                return
            time.sleep(POLL_SECONDS)


def stop(
    task: TaskName,
    url: Url = DEFAULT_URL,
    cluster: Cluster = None,
    reason: Annotated[str, typer.Option(help="What the task shows as its reason.")] = "Task stopped by user",
    region: Region = "us-east-1",
    as_json: AsJson = False,
) -> None:
    """Stop a task, as StopTask does."""
    with asking(url):
        described = the_task(url, region, cluster, task)
        ecs = client("ecs", url, region)
        stopped = ecs.stop_task(cluster=described["clusterArn"], task=described["taskArn"], reason=reason)["task"]
    if as_json:
        say_json(stopped)
    else:
        say(f"stopping {last_part(stopped['taskArn'])}")


def find_tasks(url: str, region: str, cluster: str | None, states: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return descriptions of tasks, oldest first."""
    ecs = client("ecs", url, region)
    clusters = [cluster] if cluster else ecs.list_clusters()["clusterArns"]
    found: list[dict[str, Any]] = []
    for each in clusters:
        for state in states:
            for page in ecs.get_paginator("list_tasks").paginate(cluster=each, desiredStatus=state):
                if page["taskArns"]:
                    found += ecs.describe_tasks(cluster=each, tasks=page["taskArns"], include=["TAGS"])["tasks"]
    return sorted(found, key=lambda task: task["createdAt"])


def the_task(url: str, region: str, cluster: str | None, name: str) -> dict[str, Any]:
    """Return the one task with this name.

    Raises:
        UserError: No task has it, or more than one has.
    """
    identifier = last_part(name)
    matching = [
        task
        for task in find_tasks(url, region, cluster, ("RUNNING", "STOPPED"))
        if last_part(task["taskArn"]).startswith(identifier)
    ]
    if len(matching) != 1:
        found = "no task" if not matching else f"{len(matching)} tasks"
        message = f"{found} with an id that begins with {identifier!r}: see `fargate-local ps --all`"
        raise UserError(message)
    return matching[0]


def log_streams(url: str, region: str, task: dict[str, Any], container: str | None) -> dict[str, tuple[str, str]]:
    """Return the (log group, log stream) of each container that logs to CloudWatch."""
    ecs = client("ecs", url, region)
    definition = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
    streams = {}
    for each in definition["containerDefinitions"]:
        options = (each.get("logConfiguration") or {}).get("options") or {}
        if "awslogs-group" in options and container in (None, each["name"]):
            prefix = options.get("awslogs-stream-prefix", "ecs")
            streams[each["name"]] = (
                options["awslogs-group"],
                f"{prefix}/{each['name']}/{last_part(task['taskArn'])}",
            )
    return streams


def print_new(
    url: str,
    region: str,
    source: tuple[str, str, str],
    tokens: dict[str, str],
    span: dict[str, int],
    *,
    named: bool,
    as_json: bool,
) -> None:
    """Print the events that arrived since the last call, those within `span` of GetLogEvents."""
    name, group, stream = source
    api = client("logs", url, region)
    while True:
        request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True, **span}
        if name in tokens:
            request["nextToken"] = tokens[name]
        try:
            page = api.get_log_events(**request)
        except api.exceptions.ResourceNotFoundException:
            return
        for event in page["events"]:
            if as_json:
                say_json({"container": name, "timestamp": event["timestamp"], "message": event["message"]})
            else:
                say(f"{name} | {event['message']}" if named else event["message"])
        if page["nextForwardToken"] == tokens.get(name) or not page["events"]:
            return
        tokens[name] = page["nextForwardToken"]


def age(moment: datetime) -> str:
    """Return how long ago `moment` was, in its largest nonzero unit."""
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def exit_codes(task: dict[str, Any]) -> str:
    """Return the containers' exit codes."""
    return ",".join(str(each["exitCode"]) for each in task["containers"] if "exitCode" in each)
