"""Whether EventBridge may publish to a topic of SNS: the policies of the topic and of its key decide alone.

EventBridge sends no condition keys along: a statement with a condition grants it nothing (EventBridge user guide,
"Using resource-based policies", Amazon SNS permissions; SNS developer guide, "Managing Amazon SNS encryption keys":
source account and source ARN are not supported for EventBridge to encrypted topics; read November 2026).
"""

from typing import Final

from fargate_local.protocol.arns import ACCOUNT
from fargate_local.strict import account
from fargate_local.strict.policy import Need, Principal, decide

EVENTBRIDGE: Final = Principal("events.amazonaws.com", "events.amazonaws.com", ACCOUNT, "Service")
OF_AWS: Final = "alias/aws/"


def why_not_published(topic: str) -> str | None:
    """Return why EventBridge may not publish to a topic; None when it may."""
    _, region, _ = account.parts_of(topic)
    memory = account.backend("sns", region)
    found = memory.topics.get(topic) if memory else None
    if found is None:
        return "there is no such topic"
    if not allowed("sns:Publish", topic):
        return "the topic's policy does not let events.amazonaws.com publish, to which conditions are never true"
    name = str(found.kms_master_key_id or "")
    if name.startswith(OF_AWS):
        return f"EventBridge may not use the key {name}; give the topic a key of its own"
    if name and not all(allowed(action, key_arn(name, region)) for action in ("kms:GenerateDataKey", "kms:Decrypt")):
        return (
            f"the policy of the key {name} does not let events.amazonaws.com use it, to which conditions are never true"
        )
    return None


def allowed(action: str, resource: str) -> bool:
    """Return whether the resource's policy grants EventBridge an action."""
    return decide(EVENTBRIDGE, Need(action, resource), account.policies_for(EVENTBRIDGE, action, resource)).allowed


def key_arn(name: str, region: str) -> str:
    """Return the ARN of a key that a topic names by id, ARN or alias."""
    memory = account.backend("kms", region)
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{memory.any_id_to_key_id(name) if memory else name}"
