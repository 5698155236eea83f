"""A client that waits for messages holds up nobody, in no protocol, and no restart."""

import json
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from tests.support.cloud import Ecs, MakeCloud


def queue(ecs: Ecs, name: str, **attributes: Any) -> Any:
    return ecs.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def waiting_by_wish(sqs: Any, url: str) -> Any:
    return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)


def waiting_by_attribute(sqs: Any, url: str) -> Any:
    return sqs.receive_message(QueueUrl=url)


def waiting_by_form(sqs: Any, url: str) -> Any:
    """The query protocol, as older SDKs speak it."""
    form = {"Action": "ReceiveMessage", "WaitTimeSeconds": "20", "QueueUrl": url, "Version": "2012-11-05"}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = AWSRequest("POST", url, kind, urllib.parse.urlencode(form).encode())
    SigV4Auth(sqs._request_signer._credentials, "sqs", "us-east-1").add_auth(signed)
    request = urllib.request.Request(url, signed.data, dict(signed.headers.items()), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = answer.read().decode()
    return {"Messages": [{"Body": found.split("<Body>")[1].split("</Body>")[0]}]} if "<Body>" in found else {}


@pytest.mark.parametrize(
    "wait",
    [
        waiting_by_wish,
        pytest.param(waiting_by_attribute, marks=pytest.mark.slow),
        pytest.param(waiting_by_form, marks=pytest.mark.slow),
    ],
)
def test_a_wait_for_messages_holds_up_nobody_and_ends_with_the_first_message(make_cloud: MakeCloud, wait: Any) -> None:
    ecs = make_cloud()
    url = queue(ecs, "slow", ReceiveMessageWaitTimeSeconds="20")
    sqs = ecs.client("sqs")
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(wait(sqs, url))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert ecs.finish(ecs.define_shell("exit 0"))["containers"][0]["exitCode"] == 0
    assert not answers
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=f"message {number}")
    for waiter in waiters:
        waiter.join(10)
    assert time.monotonic() - began < 10
    bodies = sorted(message["Body"] for answer in answers for message in answer["Messages"])
    assert bodies == ["message 0", "message 1", "message 2"]


def test_a_wait_ends_after_its_time(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    url = queue(ecs, "empty", ReceiveMessageWaitTimeSeconds="20")
    began = time.monotonic()
    assert "Messages" not in ecs.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert 1 <= time.monotonic() - began < 5
    began = time.monotonic()
    assert "Messages" not in ecs.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=0)
    assert time.monotonic() - began < 1


@pytest.mark.slow
def test_a_wait_that_sqs_refuses_is_refused(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    sqs = ecs.client("sqs")
    with pytest.raises(sqs.exceptions.ClientError, match="WaitTimeSeconds is invalid"):
        sqs.receive_message(QueueUrl=queue(ecs, "q"), WaitTimeSeconds=21)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=f"{ecs.cloud.url}/123456789012/none", WaitTimeSeconds=20)


@pytest.mark.slow
def test_polls_that_found_nothing_are_forgotten_and_those_that_did_are_kept(
    make_cloud: MakeCloud, tmp_path: Path
) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    url, sqs = queue(ecs, "kept"), ecs.client("sqs")
    journal = tmp_path / "cloud" / "journal.jsonl"
    before = journal.stat().st_size
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert journal.stat().st_size == before
    for body in ("first", "second"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    taken = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=600)["Messages"][0]
    ecs.cloud.stop()
    began = time.monotonic()
    again = make_cloud(state_dir=tmp_path)
    assert time.monotonic() - began < 15
    url = url.replace(ecs.cloud.url, again.cloud.url)
    sqs = again.client("sqs")
    left = sqs.receive_message(QueueUrl=url)["Messages"]
    assert [message["Body"] for message in left] == ["second" if taken["Body"] == "first" else "first"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])


@pytest.mark.slow
def test_a_message_read_too_often_is_in_the_dead_letter_queue_after_a_restart(
    make_cloud: MakeCloud, tmp_path: Path
) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    dead, sqs = queue(ecs, "dead"), ecs.client("sqs")
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 1}
    url = queue(ecs, "alive", RedrivePolicy=json.dumps(redrive))
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    ecs.cloud.stop()
    again = make_cloud(state_dir=tmp_path)
    dead = dead.replace(ecs.cloud.url, again.cloud.url)
    assert again.client("sqs").receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "poison"


def test_a_queue_keeps_its_policy_when_another_attribute_is_set(ecs: Ecs) -> None:
    """SQS API reference, SetQueueAttributes."""
    sqs = ecs.client("sqs")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName="with-a-policy", Attributes={"Policy": policy})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    names = ["Policy", "VisibilityTimeout"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert (json.loads(found["Policy"]), found["VisibilityTimeout"]) == (json.loads(policy), "7")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]


def test_a_server_that_stops_does_not_wait_with_those_who_wait(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    sqs, url = ecs.client("sqs"), queue(ecs, "to-the-end")
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(waiting_by_wish(sqs, url)))
    waiting.start()
    time.sleep(0.5)
    began = time.monotonic()
    ecs.cloud.stop()
    waiting.join()
    assert time.monotonic() - began < 15
    assert "Messages" not in answers[0]
