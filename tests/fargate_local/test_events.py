"""``ECS Task State Change`` on the event bus.

Developer guide, "Amazon ECS task state change events" (read November 2026).
"""

import json
import time
from typing import Any

from tests.support.cloud import Ecs, MakeCloud


def test_every_change_of_a_task_reaches_a_rules_target_in_order(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    queue = ecs.client("sqs").create_queue(QueueName="changes")["QueueUrl"]
    events = ecs.client("events")
    events.put_rule(Name="changes", EventPattern=json.dumps({"detail-type": ["ECS Task State Change"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:changes"}])
    arn = ecs.finish(ecs.define_shell("exit 3"))["taskArn"]
    seen = collect(ecs, queue, until=lambda event: event["detail"]["lastStatus"] == "STOPPED")
    assert {event["detail-type"] for event in seen} == {"ECS Task State Change"}
    assert {event["source"] for event in seen} == {"aws.ecs"}
    assert {tuple(event["resources"]) for event in seen} == {(arn,)}
    versions = [event["detail"]["version"] for event in seen]
    assert versions == sorted(versions)
    states = [event["detail"]["lastStatus"] for event in seen]
    assert states[0] == "PROVISIONING"
    assert "RUNNING" in states
    last = seen[-1]["detail"]
    assert last["containers"][0]["exitCode"] == 3
    assert last["stopCode"] == "EssentialContainerExited"
    assert last["stoppedAt"].endswith("Z")


def collect(ecs: Ecs, queue: str, until: Any) -> Any:
    """Events from a queue up to the wanted one."""
    sqs = ecs.client("sqs")
    seen: list[Any] = []
    deadline = time.monotonic() + 30
    while not seen or not until(seen[-1]):
        assert time.monotonic() < deadline
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            seen.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return seen
