"""Turns a launch's outcome into the exception that a person reads: facts, last log lines, next step."""

from datavision.fargate.attempt.accounting import failed_checks
from datavision.fargate.attempt.host import Host
from datavision.fargate.edge import logs
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.classify import Ending
from datavision.fargate.outcome.errors import LAST_LINES, FargateError
from datavision.fargate.outcome.explain import explain
from datavision.fargate.outcome.results import Delivered


def log_stream(host: Host, launched: LaunchRecord) -> logs.LogStream:
    """Return where the launch logs: its container, or the step in a shared one."""
    group = host.config.observability.log_group
    if launched.step:
        return logs.LogStream(group, launched.step["log_stream"])
    return logs.LogStream.of(group, host.job.module, str(launched.arn))


def failure(
    host: Host,
    last: LaunchRecord,
    ending: Ending,
    delivery: Delivered = None,
    *,
    at_ceiling: bool = False,
) -> FargateError:
    """Return the exception for a launch that did not succeed."""
    lines = logs.last_lines(host.cloud, log_stream(host, last), LAST_LINES) if last.arn else ()
    return explain(
        ending,
        task=host.job.name,
        env=host.job.key.env,
        image=host.job.image_text,
        size=f"{last.size} ({last.why_size}), {last.market}",
        task_arn=last.arn,
        last_try=host.job.last_try,
        log_lines=lines,
        checks=failed_checks(delivery),
        at_ceiling=at_ceiling,
    )
