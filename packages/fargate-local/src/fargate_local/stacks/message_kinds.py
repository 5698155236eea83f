"""Resources that pass things on and watch: topics, queues, rules, schedules, alarms, log groups, budgets, scaling."""

import json
from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties, tag_map
from fargate_local.stacks.matching import as_text, matched, parameters

TOPIC: Final = ("DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig", "FifoTopic",
                "ContentBasedDeduplication", "ArchivePolicy")  # fmt: skip
QUEUE: Final = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
                "VisibilityTimeout", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled",
                "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication",
                "DeduplicationScope", "FifoThroughputLimit")  # fmt: skip
SUBSCRIPTION: Final = ("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy",
                       "SubscriptionRoleArn", "ReplayPolicy")  # fmt: skip
OPEN_TOPIC: Final = {"Version": "2008-10-17", "Statement": []}


def attributes_of(properties: Properties, names: tuple[str, ...], renamed: Properties | None = None) -> dict[str, str]:
    """Return properties that the API takes as attributes in text."""
    known = renamed or {}
    return {known.get(name, name): as_text(properties[name]) for name in names if name in properties}


def others(properties: Properties, names: tuple[str, ...]) -> Properties:
    """Return the properties that are no attributes."""
    return {name: value for name, value in properties.items() if name not in names}


def topic_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a topic's properties for CreateTopic."""
    rest = others(properties, (*TOPIC, "TopicName", "Subscription"))
    return {"Name": name, "Attributes": attributes_of(properties, TOPIC), **rest}


def apply_topic(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Subscribe whom the topic's template names, and change its attributes."""
    sns, arn, known = calls("sns"), made.physical_resource_id, before or {}
    had, wanted = known.get("Subscription", []), properties.get("Subscription", [])
    for each in wanted:
        if each not in had:
            sns.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    gone = [(each["Protocol"], each["Endpoint"]) for each in had if each not in wanted]
    for found in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] if gone else ():
        if (found["Protocol"], found["Endpoint"]) in gone:
            sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
    if before is not None:
        for name in TOPIC:
            if properties.get(name) != before.get(name):
                value = as_text(properties.get(name, ""))
                sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)


def unsubscribe_all(calls: Calls, made: Made) -> None:
    """Take a topic's subscriptions away: they go with it."""
    sns = calls("sns")
    for found in sns.list_subscriptions_by_topic(TopicArn=made.physical_resource_id)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])


def subscription_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a subscription's properties for Subscribe."""
    rest = others(properties, SUBSCRIPTION)
    return {**rest, "Attributes": attributes_of(properties, SUBSCRIPTION), "ReturnSubscriptionArn": True}


def apply_subscription(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Change a subscription's attributes."""
    for name in SUBSCRIPTION if before is not None else ():
        if before is not None and properties.get(name) != before.get(name):
            value = as_text(properties.get(name, ""))
            calls("sns").set_subscription_attributes(
                SubscriptionArn=made.physical_resource_id, AttributeName=name, AttributeValue=value
            )


def queue_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a queue's properties for CreateQueue."""
    return {
        "QueueName": name,
        "Attributes": attributes_of(properties, QUEUE),
        "tags": tag_map(properties.get("Tags")),
        **others(properties, (*QUEUE, "QueueName", "Tags")),
    }


def apply_queue(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Change a queue's attributes and tags."""
    if before is None:
        return
    sqs, url = calls("sqs"), made.physical_resource_id
    changed = tuple(name for name in QUEUE if properties.get(name) != before.get(name))
    if changed:
        given = {name: as_text(properties.get(name, "")) for name in changed}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=given)
    gone = [key for key in tag_map(before.get("Tags")) if key not in tag_map(properties.get("Tags"))]
    if gone:
        sqs.untag_queue(QueueUrl=url, TagKeys=gone)
    if tags := tag_map(properties.get("Tags")):
        sqs.tag_queue(QueueUrl=url, Tags=tags)


class Policies:
    """AWS::SNS::TopicPolicy and AWS::SQS::QueuePolicy: one document for each of several resources."""

    tags: Final = ""
    name: Final = ""

    def __init__(self, kind: str, listed: str) -> None:
        self.type, self.listed = kind, listed
        self.attributes: dict[str, str] = {}

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Set the policy of each."""
        extra = sorted(set(properties) - {"PolicyDocument", self.listed})
        if extra:
            matched({extra[0]: 0}, calls.input("sns", "ListTopics"), "")
        for each in properties[self.listed]:
            self.set(calls, each, as_text(properties["PolicyDocument"]))
        return Made(name, {"Id": name})

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Set the policy of each that has it now, and take it from the others."""
        for each in before[self.listed]:
            if each not in properties[self.listed]:
                self.set(calls, each, None)
        self.create(calls, made.physical_resource_id, properties)

    def delete(self, calls: Calls, made: Made) -> None:
        """Take the policy from each."""
        for each in made.of_stack.document["Properties"][self.listed] if made.of_stack else ():
            self.set(calls, each, None)

    def set(self, calls: Calls, which: str, policy: str | None) -> None:
        """Set one's policy, or what it has without one."""
        if self.listed == "Queues":
            calls("sqs").set_queue_attributes(QueueUrl=which, Attributes={"Policy": policy or ""})
        else:
            text = policy or json.dumps(OPEN_TOPIC)
            calls("sns").set_topic_attributes(TopicArn=which, AttributeName="Policy", AttributeValue=text)


def rule_targets(calls: Calls, properties: Properties) -> list[Any]:
    """Return a rule's targets as PutTargets takes them."""
    shape = calls.input("events", "PutTargets").members["Targets"]
    found: list[Any] = matched(properties.get("Targets", []), shape, "/Targets")
    return found


def rule_bus(properties: Properties) -> dict[str, str]:
    """Return the bus of a rule, as parameters name it."""
    return {"EventBusName": properties["EventBusName"]} if properties.get("EventBusName") else {}


def apply_rule(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Give a rule its targets, and no others."""
    events = calls("events")
    which = {"Rule": made.physical_resource_id, **rule_bus(properties)}
    wanted = rule_targets(calls, properties)
    gone = {each["Id"] for each in (before or {}).get("Targets", [])} - {each["Id"] for each in wanted}
    if gone:
        events.remove_targets(**which, Ids=sorted(gone))
    if wanted:
        failed = events.put_targets(**which, Targets=wanted)["FailedEntries"]
        if failed:
            matched(failed, calls.input("events", "ListRules"), f"/Targets: {failed[0].get('ErrorMessage')}")


def untarget(calls: Calls, made: Made) -> None:
    """Take a rule's targets away, before it can go."""
    properties = made.of_stack.document["Properties"] if made.of_stack else {}
    which = {"Rule": made.physical_resource_id, **rule_bus(properties)}
    ids = [each["Id"] for each in calls("events").list_targets_by_rule(**which)["Targets"]]
    if ids:
        calls("events").remove_targets(**which, Ids=ids)


def apply_log_group(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Set how long a group keeps its events."""
    days = properties.get("RetentionInDays")
    if days:
        calls("logs").put_retention_policy(logGroupName=made.physical_resource_id, retentionInDays=int(days))
    elif (before or {}).get("RetentionInDays"):
        calls("logs").delete_retention_policy(logGroupName=made.physical_resource_id)


def log_group_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a log group's properties for CreateLogGroup."""
    tags = tag_map(properties.get("Tags"))
    return {"LogGroupName": name, **others(properties, ("Tags",)), **({"tags": tags} if tags else {})}


def budget_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a budget's properties for CreateBudget."""
    noted = [
        {"Notification": each["Notification"], "Subscribers": each["Subscribers"]}
        for each in properties.get("NotificationsWithSubscribers", [])
    ]
    budget = {"BudgetName": name, **properties["Budget"]}
    return {"AccountId": calls.account, "Budget": budget, **({"NotificationsWithSubscribers": noted} if noted else {})}


def apply_budget(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Put another budget of the same name in a budget's place, for moto cannot change one."""
    if before is not None:
        delete_budget(calls, made)
        given = budget_input(calls, made.name, properties)
        calls("budgets").create_budget(**parameters(given, calls.input("budgets", "CreateBudget"), {}))


def delete_budget(calls: Calls, made: Made) -> None:
    """Delete a budget, which an account's id and its name say together."""
    calls("budgets").delete_budget(AccountId=calls.account, BudgetName=made.physical_resource_id)


def budget_name(properties: Properties) -> str:
    """Return the name that a budget's template gives it."""
    return str(properties.get("Budget", {}).get("BudgetName", ""))


RESOURCE_TAGS: Final = ("TagResource", "UntagResource", "ResourceARN")

MESSAGES: Final = (
    Kind(
        "AWS::SNS::Topic", "sns", "CreateTopic", "DeleteTopic", "TopicArn", name="TopicName", ident="TopicArn",
        given=topic_input, apply=apply_topic, on_update=frozenset({*TOPIC, "Subscription"}) - {"FifoTopic"},
        before_delete=unsubscribe_all, tags="list", retags=("TagResource", "UntagResource", "ResourceArn"),
        attributes={"TopicArn": "{id}", "TopicName": "{TopicName}"},
    ),
    Policies("AWS::SNS::TopicPolicy", "Topics"),
    Kind(
        "AWS::SNS::Subscription", "sns", "Subscribe", "Unsubscribe", "SubscriptionArn", ident="SubscriptionArn",
        given=subscription_input, apply=apply_subscription, on_update=frozenset(SUBSCRIPTION),
        attributes={"Arn": "{id}"},
    ),
    Kind(
        "AWS::SQS::Queue", "sqs", "CreateQueue", "DeleteQueue", "QueueUrl", name="QueueName", ident="QueueUrl",
        given=queue_input, apply=apply_queue, on_update=frozenset({*QUEUE, "Tags"}) - {"FifoQueue"}, tags="list",
        attributes={"QueueUrl": "{id}", "QueueName": "{QueueName}",
                    "Arn": "arn:aws:sqs:{region}:{account}:{QueueName}"},
    ),
    Policies("AWS::SQS::QueuePolicy", "Queues"),
    Kind(
        "AWS::Events::Rule", "events", "PutRule", "DeleteRule", "Name", name="Name", updates="PutRule",
        fixed=frozenset({"EventBusName"}), applied=frozenset({"Targets"}), apply=apply_rule, before_delete=untarget,
        deleted_with=rule_bus, tags="list", retags=RESOURCE_TAGS, tagged_by="Arn", attributes={"Arn": "RuleArn"},
    ),
    Kind(
        "AWS::Events::EventBus", "events", "CreateEventBus", "DeleteEventBus", "Name", name="Name", tags="list",
        retags=RESOURCE_TAGS, tagged_by="Arn",
        attributes={"Arn": "EventBusArn", "Name": "{id}"},
    ),
    Kind(
        "AWS::Scheduler::Schedule", "scheduler", "CreateSchedule", "DeleteSchedule", "Name", name="Name",
        updates="UpdateSchedule", fixed=frozenset({"GroupName"}), attributes={"Arn": "ScheduleArn"},
        deleted_with=lambda properties: {k: v for k, v in properties.items() if k == "GroupName"},
    ),
    Kind(
        "AWS::Scheduler::ScheduleGroup", "scheduler", "CreateScheduleGroup", "DeleteScheduleGroup", "Name",
        name="Name", tags="list", retags=("TagResource", "UntagResource", "ResourceArn"), tagged_by="Arn",
        attributes={"Arn": "ScheduleGroupArn"},
    ),
    Kind(
        "AWS::Logs::LogGroup", "logs", "CreateLogGroup", "DeleteLogGroup", "logGroupName", name="LogGroupName",
        given=log_group_input, apply=apply_log_group, applied=frozenset({"RetentionInDays"}), tags="list",
        retags=("TagResource", "UntagResource", "resourceArn"), tagged_by="plain",
        attributes={"plain": "arn:aws:logs:{region}:{account}:log-group:{id}",
                    "Arn": "arn:aws:logs:{region}:{account}:log-group:{id}:*"},
    ),
    Kind(
        "AWS::CloudWatch::Alarm", "cloudwatch", "PutMetricAlarm", "DeleteAlarms", "AlarmNames[]", name="AlarmName",
        updates="PutMetricAlarm", tags="list", retags=RESOURCE_TAGS, tagged_by="Arn",
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{id}"},
    ),
    Kind(
        "AWS::CloudWatch::Dashboard", "cloudwatch", "PutDashboard", "DeleteDashboards", "DashboardNames[]",
        name="DashboardName", updates="PutDashboard",
    ),
    Kind(
        "AWS::Budgets::Budget", "budgets", "CreateBudget", "", "", given=budget_input, apply=apply_budget,
        on_update=frozenset({"Budget", "NotificationsWithSubscribers"}), before_delete=delete_budget,
        named=budget_name,
    ),
)  # fmt: skip
