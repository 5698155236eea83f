"""What SNS, SQS, EventBridge and its Scheduler, CloudWatch and its logs tell."""

from functools import partial
from typing import Any, Final

from fargate_local.stacks.drift.differences import differences
from fargate_local.stacks.drift.reading import Described, GoneError, Look, Read, asked, own_tags
from fargate_local.stacks.kinds import Properties
from fargate_local.stacks.message_kinds import QUEUE, TOPIC, rule_bus


def topic(look: Look) -> Properties:
    """Return a topic's attributes, subscriptions and tags."""
    which = {"TopicArn": look.ident}
    told = look.call("sns", "GetTopicAttributes", **which)["Attributes"]

    def subscriptions() -> list[dict[str, str]]:
        apart = [
            (each["Protocol"], each.get("Endpoint"))
            for each in look.others("AWS::SNS::Subscription")
            if each.get("TopicArn") == look.ident
        ]
        found = look.call("sns", "ListSubscriptionsByTopic", **which)["Subscriptions"]
        pairs = [(each["Protocol"], each["Endpoint"]) for each in found]
        return [{"Protocol": how, "Endpoint": where} for how, where in pairs if (how, where) not in apart]

    return {
        **{name: told.get(name) for name in TOPIC if name in look.wanted},
        **asked(
            look,
            Subscription=subscriptions,
            Tags=lambda: own_tags(look.call("sns", "ListTagsForResource", ResourceArn=look.ident)["Tags"]),
        ),
    }


def topic_policy(look: Look) -> Properties:
    """Return the policy of the first topic that has not the one of the template, or of the last one."""
    return {"PolicyDocument": unlike(look, [topic_says(look, arn) for arn in look.wanted["Topics"]])}


def topic_says(look: Look, arn: str) -> Any:
    """Return the policy of a topic."""
    return look.maybe("sns", "GetTopicAttributes", TopicArn=arn).get("Attributes", {}).get("Policy")


def queue_policy(look: Look) -> Properties:
    """Return the policy of the first queue that has not the one of the template, or of the last one."""
    return {"PolicyDocument": unlike(look, [queue_says(look, url) for url in look.wanted["Queues"]])}


def queue_says(look: Look, url: str) -> Any:
    """Return the policy of a queue."""
    asked_for = {"QueueUrl": url, "AttributeNames": ["Policy"]}
    return look.maybe("sqs", "GetQueueAttributes", **asked_for).get("Attributes", {}).get("Policy")


def unlike(look: Look, told: list[Any]) -> Any:
    """Return the first policy that is not the template's, or the last one.

    Raises:
        GoneError: Nothing has one.
    """
    if not any(told):
        raise GoneError
    expected = look.wanted["PolicyDocument"]
    return next((each for each in told if any(differences(expected, each, "", whole=True))), told[-1])


def queue(look: Look) -> Properties:
    """Return a queue's attributes and tags."""
    which = {"QueueUrl": look.ident}
    told = look.call("sqs", "GetQueueAttributes", **which, AttributeNames=["All"]).get("Attributes", {})
    return {
        **{name: told.get(name) for name in QUEUE if name in look.wanted},
        **asked(look, Tags=lambda: own_tags(look.call("sqs", "ListQueueTags", **which).get("Tags", {}))),
    }


def rule(look: Look) -> Properties:
    """Return a rule of EventBridge with its targets."""
    bus = rule_bus(look.wanted)
    told = look.call("events", "DescribeRule", Name=look.ident, **bus)
    names = ("Name", "Description", "EventPattern", "ScheduleExpression", "State", "RoleArn")
    return {
        **{name: told.get(name) for name in names if name in look.wanted},
        **asked(
            look, Targets=lambda: look.call("events", "ListTargetsByRule", Rule=look.ident, **bus).get("Targets", [])
        ),
    }


def schedule(look: Look) -> Properties:
    """Return a schedule of EventBridge Scheduler."""
    group = {"GroupName": look.wanted["GroupName"]} if "GroupName" in look.wanted else {}
    told = look.call("scheduler", "GetSchedule", Name=look.ident, **group)
    return {name: told.get(name) for name in look.wanted}


def log_group(look: Look) -> Properties:
    """Return a log group.

    Raises:
        GoneError: There is none of this name.
    """
    groups = look.call("logs", "DescribeLogGroups", logGroupNamePrefix=look.ident)["logGroups"]
    group = next((each for each in groups if each["logGroupName"] == look.ident), None)
    if group is None:
        raise GoneError
    arn = group["arn"].removesuffix(":*")
    return {
        "RetentionInDays": group.get("retentionInDays"),
        "KmsKeyId": group.get("kmsKeyId"),
        **asked(look, Tags=lambda: own_tags(look.call("logs", "ListTagsForResource", resourceArn=arn)["tags"])),
    }


def cloudwatch_tags(arn: str, look: Look, thing: dict[str, Any]) -> Properties:
    """Return the tags of what CloudWatch has under an ARN."""
    return asked(
        look, Tags=lambda: own_tags(look.call("cloudwatch", "ListTagsForResource", ResourceARN=thing[arn])["Tags"])
    )


MESSAGE_READINGS: Final[dict[str, Read]] = {
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::SQS::Queue": queue,
    "AWS::SQS::QueuePolicy": queue_policy,
    "AWS::Events::Rule": rule,
    "AWS::Scheduler::Schedule": schedule,
    "AWS::Scheduler::ScheduleGroup": Described("scheduler", "GetScheduleGroup", "Name"),
    "AWS::Logs::LogGroup": log_group,
    "AWS::CloudWatch::Alarm": Described(
        "cloudwatch",
        "DescribeAlarms",
        "AlarmNames[]",
        "MetricAlarms.0",
        more=partial(cloudwatch_tags, "AlarmArn"),
    ),
    "AWS::CloudWatch::Dashboard": Described("cloudwatch", "GetDashboard", "DashboardName"),
}
