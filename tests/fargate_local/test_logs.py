"""The awslogs driver.

Developer guide, "Send Amazon ECS logs to CloudWatch"; PutLogEvents limits in the CloudWatch Logs API reference (read
November 2026).
"""

import sys
from typing import Any

import pytest
from tests.support.cloud import Ecs


def test_lines_arrive_in_order_under_prefix_container_and_task(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("for i in $(seq 1 500); do echo line $i; done"))
    assert ecs.logs(task["taskArn"]) == [f"line {number}" for number in range(1, 501)]


def test_standard_error_and_output_share_a_stream_in_the_order_written(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("echo one; echo two >&2; echo three; echo four >&2"))
    assert ecs.logs(task["taskArn"]) == ["one", "two", "three", "four"]


def test_lines_can_be_read_while_the_task_runs(ecs: Ecs) -> None:
    arn = ecs.shell("echo early; sleep 60")
    assert ecs.log_line(arn) == "early"
    assert ecs.describe(arn)["lastStatus"] != "STOPPED"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)


def test_a_last_line_without_an_end_is_kept(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("printf 'one\\n\\ntwo'"))
    assert ecs.logs(task["taskArn"]) == ["one", "two"]


def test_a_line_longer_than_an_event_is_cut_between_characters(ecs: Ecs) -> None:
    script = "import sys; sys.stdout.write('ñ' * 300_000 + '\\nend\\n')"
    task = ecs.finish(ecs.define({"command": [sys.executable, "-c", script], "logged": True}))
    *parts, end = ecs.logs(task["taskArn"])
    assert end == "end"
    assert "".join(parts) == "ñ" * 300_000
    assert max(len(part.encode()) for part in parts) <= 256 * 1024 - 26


def test_bytes_that_are_not_utf8_are_replaced(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("printf 'caf\\351\\n'"))
    assert ecs.logs(task["taskArn"]) == ["caf�"]


def test_a_burst_larger_than_a_batch_is_complete_and_in_order(ecs: Ecs) -> None:
    script = "import sys\nfor i in range(25_000): print(i, 'x' * 100)"
    task = ecs.finish(ecs.define({"command": [sys.executable, "-c", script], "logged": True}))
    assert [int(line.split()[0]) for line in ecs.logs(task["taskArn"])] == list(range(25_000))


def test_a_container_without_a_driver_logs_nowhere(ecs: Ecs) -> None:
    arn = ecs.finish(ecs.define({"command": ["echo", "unheard"]}))["taskArn"]
    with pytest.raises(ecs.client("logs").exceptions.ResourceNotFoundException):
        ecs.logs(arn)


def options(group: str, **extra: Any) -> dict[str, Any]:
    return {
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": group, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t", **extra},
        }
    }


def test_a_missing_group_fails_the_start(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["true"], **options("/no/such/group")}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args:")
    assert "The specified log group does not exist." in task["stoppedReason"]


def test_a_missing_group_is_created_on_request(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["echo", "hi"], **options("/made", **{"awslogs-create-group": "true"})}))
    stream = f"t/app/{task['taskArn'].rsplit('/', 1)[-1]}"
    events = ecs.client("logs").get_log_events(logGroupName="/made", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["hi"]
