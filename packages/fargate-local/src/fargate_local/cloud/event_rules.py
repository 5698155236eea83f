"""Rules of EventBridge: every target gets its event, whatever becomes of the others; ECS runs tasks, SNS publishes.

moto 5.2 raises at the first target that it cannot reach, and then neither the other targets nor the other events of the
call arrive. It also changes an event's time in place, so that a second queue cannot read it, and hears neither that a
rule is disabled nor that one with a schedule matches no event.
"""

import copy
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fargate_local.cloud.notifications import is_topic, publish_to

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation:
    """An ECS target that is to run. `text` is what the target gets as its input, `source` who asked, and where."""

    region: str
    source: str
    started_by: str
    target: dict[str, Any]
    text: str | None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An ECS target of a rule's or Scheduler's schedule. Times are in seconds since the epoch."""

    identity: str
    invocation: Callable[[], Invocation]
    """Made when it is due: its input may make no sense."""
    expression: str
    zone: str = "UTC"
    began: float | None = None
    ends: float | None = None
    deleted_by: tuple[str, str, str] | None = None
    """(region, group, name) of a schedule that goes once it is over."""


def is_ecs(target: dict[str, Any]) -> bool:
    """Return whether a target of EventBridge or Scheduler is ECS."""
    arn = str(target.get("Arn", ""))
    return "EcsParameters" in target or ":ecs:" in arn


def deliver_to_each(run: Callable[[Invocation], None], why_not_published: Callable[[str], str | None]) -> None:
    """Have moto's rules reach each of their targets alone, topics among them, and hand those that are ECS to `run`.

    `why_not_published` says why EventBridge may not publish to a topic, None where it may.
    """
    from moto.events import models

    original = models.Rule.__dict__.get("_delivered_by_moto") or models.Rule.send_to_targets

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        # moto takes a rule without a pattern, which has a schedule, for one that matches everything.
        wanted = self.state != "DISABLED" and self.event_pattern.get_pattern()
        if not wanted or not self.event_pattern.matches_event(original_event):
            return
        for target in list(self.targets):
            event = copy.deepcopy(original_event)
            try:
                if is_ecs(target):
                    run(of_rule(self, target, event))
                elif is_topic(target["Arn"]):
                    publish(self, target, event, why_not_published)
                else:
                    alone = copy.copy(self)
                    alone.targets = [target]
                    original(alone, event, transform_input)
            except NotImplementedError:
                log.warning("rule %s: target %s: nothing here delivers to %s", self.name, target["Id"], target["Arn"])
            except Exception:
                log.exception("rule %s: target %s could not be reached", self.name, target["Id"])

    setattr(models.Rule, "_delivered_by_moto", original)  # noqa: B010 - mypy knows moto's class
    setattr(models.Rule, "send_to_targets", send_to_targets)  # noqa: B010 - and does not let it change


def publish(
    rule: Any, target: dict[str, Any], event: dict[str, Any], why_not_published: Callable[[str], str | None]
) -> None:
    """Publish an event to a topic, or what the target makes of it."""
    from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp

    topic = target["Arn"]
    if why := why_not_published(topic):
        log.warning("rule %s: target %s: %s is told nothing: %s", rule.name, target["Id"], topic, why)
        return
    if not isinstance(event["time"], str):
        event["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(int(float(event["time"]))))
    publish_to(topic, input_of(target, event) or json.dumps(event))


def of_rule(rule: Any, target: dict[str, Any], event: dict[str, Any]) -> Invocation:
    """Return the run of a rule's ECS target for an event."""
    region = rule.arn.split(":")[3]
    source = f"rule {rule.name}: target {target['Id']}"
    return Invocation(region, source, f"events-rule/{rule.name}", target, input_of(target, event))


def input_of(target: dict[str, Any], event: dict[str, Any]) -> str | None:
    """Return the text that a target asks for instead of the event (API reference, `Target`); None when it asks not."""
    text: str | None = target.get("Input")
    transformer = target.get("InputTransformer")
    if target.get("InputPath"):
        transformer = {"InputTemplate": "<input>", "InputPathsMap": {"input": target["InputPath"]}}
    if transformer:
        from moto.events.utils import EventTemplateParser

        template, paths = transformer.get("InputTemplate"), transformer.get("InputPathsMap") or {}
        told: Any = {"ingestion-time": 0, **event}
        text = json.dumps(EventTemplateParser.parse(template, paths, told))
    return text


def scheduled_targets(account: str, scheduled_event: Callable[[Any], dict[str, Any]]) -> Iterator[Scheduled]:
    """Yield the ECS targets of all enabled schedules that moto holds; the caller holds the gate."""
    # A service that nobody has called is not imported, and has nothing to do.
    if events := sys.modules.get("moto.events.models"):
        for backend in events.events_backends[account].values():
            for bus in backend.event_buses.values():
                for rule in bus.rules.values():
                    yield from of_scheduled_rule(rule, scheduled_event)
    if scheduler := sys.modules.get("moto.scheduler.models"):
        for region, backend in scheduler.scheduler_backends[account].items():
            for group in backend.schedule_groups.values():
                for schedule in group.schedules.values():
                    if schedule.state == "ENABLED" and is_ecs(schedule.target):
                        yield of_schedule(region, group.name, schedule)


def of_scheduled_rule(rule: Any, scheduled_event: Callable[[Any], dict[str, Any]]) -> Iterator[Scheduled]:
    """Yield the ECS targets of a rule, if it has a schedule and is enabled."""
    if rule.state != "ENABLED" or not rule.scheduled_expression:
        return
    for target in filter(is_ecs, rule.targets):
        identity = f"rule {rule.arn}: target {target['Id']}"
        yield Scheduled(identity, partial(of_scheduled, rule, target, scheduled_event), rule.scheduled_expression)


def of_scheduled(rule: Any, target: dict[str, Any], scheduled_event: Callable[[Any], dict[str, Any]]) -> Invocation:
    """Return the run of a rule's ECS target when its schedule is due."""
    return of_rule(rule, target, scheduled_event(rule))


def of_schedule(region: str, group: str, schedule: Any) -> Scheduled:
    """Return the ECS target of a schedule of Scheduler."""
    source, started_by = f"schedule {schedule.name}", f"chronos-schedule/{schedule.name}"
    invocation = Invocation(region, source, started_by, schedule.target, schedule.target.get("Input"))
    start, end = schedule.start_date, schedule.end_date
    goes = schedule.action_after_completion == "DELETE"
    return Scheduled(
        f"schedule {schedule.arn}",
        lambda: invocation,
        schedule.schedule_expression,
        schedule.schedule_expression_timezone,
        float(start) if start else float(schedule.creation_date),
        float(end) if end else None,
        (region, group, schedule.name) if goes else None,
    )
