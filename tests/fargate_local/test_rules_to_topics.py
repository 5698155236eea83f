"""EventBridge's rules publish to topics of SNS where the policies of the topic and its key let them, and only there.

EventBridge user guide, "Using resource-based policies", Amazon SNS permissions; SNS developer guide, "Managing Amazon
SNS encryption keys" (read November 2026): EventBridge sends no condition keys along.
"""

import json
from typing import Any

import pytest
from tests.support.cloud import Ecs

SERVICE = {"Service": "events.amazonaws.com"}
OURS = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def statement(action: Any, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": SERVICE, "Action": action, "Resource": resource, **more}


class Heard:
    """A topic that a rule tells, and a queue that is subscribed to it; the rule tells another queue after it."""

    def __init__(self, ecs: Ecs, name: str, **target: Any) -> None:
        self.sns, self.sqs, self.events = ecs.client("sns"), ecs.client("sqs"), ecs.client("events")
        self.name = name
        self.topic: str = self.sns.create_topic(Name=name)["TopicArn"]
        heard, beside = self.queue(f"{name}-heard"), self.queue(f"{name}-beside")
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=heard)
        self.events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        targets = [{"Id": "topic", "Arn": self.topic, **target}, {"Id": "beside", "Arn": beside}]
        assert self.events.put_targets(Rule=name, Targets=targets)["FailedEntryCount"] == 0

    def queue(self, name: str) -> str:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def grant(self, *statements: dict[str, Any]) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy)

    def use_key(self, key: str) -> None:
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="KmsMasterKeyId", AttributeValue=key)

    def tell(self) -> list[str]:
        """What the topic's subscriber hears of an event, which the target after the topic hears anyway."""
        entry = {"Source": self.name, "DetailType": "news", "Detail": json.dumps({"n": 1})}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0
        assert len(self.received("beside")) == 1
        return [json.loads(body)["Message"] for body in self.received("heard")]

    def received(self, which: str) -> list[str]:
        url = self.sqs.get_queue_url(QueueName=f"{self.name}-{which}")["QueueUrl"]
        return [message["Body"] for message in self.sqs.receive_message(QueueUrl=url).get("Messages", [])]


def test_a_topic_whose_policy_lets_eventbridge_publish_is_told_the_event(ecs: Ecs) -> None:
    heard = Heard(ecs, "granted")
    heard.grant(statement("sns:Publish", heard.topic))
    (message,) = heard.tell()
    event = json.loads(message)
    assert (event["source"], event["detail-type"], event["detail"]) == ("granted", "news", {"n": 1})
    assert event["time"].endswith("Z")


def test_a_target_may_ask_for_another_text(ecs: Ecs) -> None:
    transformer = {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"number": <n>}'}
    heard = Heard(ecs, "transformed", InputTransformer=transformer)
    heard.grant(statement("sns:Publish", heard.topic))
    assert [json.loads(message) for message in heard.tell()] == [{"number": 1}]


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("by-default", None),
        ("of-another", [{"Principal": {"Service": "cloudwatch.amazonaws.com"}}]),
        ("conditional", [{"Condition": OURS}]),
        ("by-rule", [{"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/*"}}}]),
    ],
)
def test_a_topic_whose_policy_does_not_grant_it_without_a_condition_hears_nothing(
    ecs: Ecs, name: str, statements: list[dict[str, Any]] | None
) -> None:
    heard = Heard(ecs, name)
    if statements is not None:
        heard.grant(*[statement("sns:Publish", heard.topic) | more for more in statements])
    assert heard.tell() == []


def test_an_encrypted_topic_needs_a_key_that_eventbridge_may_use(ecs: Ecs) -> None:
    heard, kms = Heard(ecs, "encrypted"), ecs.client("kms")
    heard.grant(statement("sns:Publish", heard.topic))
    heard.use_key("alias/aws/sns")
    assert heard.tell() == []
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/alerts", TargetKeyId=key["KeyId"])
    for name in (key["KeyId"], "alias/alerts"):
        heard.use_key(name)
        assert heard.tell() == []
    use = ["kms:Decrypt", "kms:GenerateDataKey*"]
    for condition, told in (({"Condition": OURS}, 0), ({}, 1)):
        policy = {"Version": "2012-10-17", "Statement": [statement(use, "*", **condition)]}
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
        for name in (key["Arn"], "alias/alerts"):
            heard.use_key(name)
            assert len(heard.tell()) == told
