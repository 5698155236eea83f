"""What SNS has for subscribers outside of AWS.

moto 5.2 posts to HTTP endpoints while it answers Publish, drops mails, and takes every subscription for confirmed. Here
a notice is handed on, whoever delivers it does so at another time, and endpoints confirm.
"""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fargate_local.cloud.replaced import original, replace

OUTSIDE: Final = ("http", "https", "email", "email-json")
"""Protocols of endpoints that have to confirm a subscription (API reference, `Subscribe`)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one subscription. ``token`` is what the endpoint confirms the subscription with, `""` later."""

    topic: str
    subscription: str
    protocol: str
    endpoint: str
    message_id: str
    message: str
    time: str
    subject: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    raw: bool = False
    policies: tuple[str, ...] = ()
    """Delivery policies as JSON, that of the subscription before that of its topic."""
    signature_version: str = "1"


def is_topic(arn: str) -> bool:
    """Return whether an ARN is a topic's."""
    return arn.split(":")[2:3] == ["sns"]


def publish_to(topic: str, message: str, subject: str | None = None) -> None:
    """Publish to a topic, from inside of moto.

    Raises:
        SNSException: There is no such topic, or it takes no such message.
        KeyError: Its account or region has no topics.
    """
    from moto.sns.models import sns_backends

    _, _, _, region, account, _ = topic.split(":", 5)
    sns_backends[account][region].publish(message, topic, subject=subject)


class Notices:
    """Who hears of what SNS has for endpoints outside."""

    def __init__(self) -> None:
        # What SNS had to deliver before the last stop has been delivered, or has been named as lost.
        self._hear: Callable[[Notice], None] = lambda _: None

    def on_notice(self, hear: Callable[[Notice], None]) -> None:
        """Have `hear` told of each notice from now on; it must neither wait nor ask moto."""
        self._hear = hear

    def extend(self, service: str, client: Any) -> None:
        """Take moto's SNS over once it is there: other services load it as well."""
        del service, client
        if "moto.sns.models" in sys.modules:
            hand_on_notices(lambda notice: self._hear(notice))


def hand_on_notices(hear: Callable[[Notice], None]) -> None:
    """Have SNS hand what is for endpoints outside to `hear`, and let these confirm their subscriptions."""
    from moto.sns import models, responses

    def publish(self: Any, message: str, message_id: str, **details: Any) -> None:
        if self.protocol not in OUTSIDE:
            original(models.Subscription, "publish")(self, message, message_id, **details)
        elif not is_pending(self) and wanted(self, message, details):
            hear(notice_of(self, message, message_id, details))

    def subscribe(self: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
        made = original(models.SNSBackend, "subscribe")(self, topic_arn, endpoint, protocol)
        if protocol in OUTSIDE:
            if not hasattr(made, "token"):
                made.token = new_identifier() + new_identifier()
                made.attributes |= {"PendingConfirmation": True, "ConfirmationWasAuthenticated": False}
            if is_pending(made):
                hear(confirmation_of(made))
        return made

    replace(models.Subscription, "publish", publish)
    replace(models.SNSBackend, "subscribe", subscribe)
    for name, answer in (("subscribe", answer_subscribe), ("confirm_subscription", answer_confirm)):
        replace(responses.SNSResponse, name, answer)
    for name in ("list_subscriptions", "list_subscriptions_by_topic"):
        replace(responses.SNSResponse, name, lister(name))


def wanted(subscription: Any, message: str, details: dict[str, Any]) -> bool:
    """Return whether a subscription's filter lets a message pass."""
    matcher = subscription._filter_policy_matcher
    return matcher is None or matcher.matches(details.get("message_attributes"), message)


def notice_of(subscription: Any, message: str, message_id: str, details: dict[str, Any]) -> Notice:
    """Return a message for a subscription; of one that is different for each protocol, the one for this."""
    from moto.core.utils import iso_8601_datetime_with_milliseconds

    if details.get("message_structure") == "json":
        message = subscription._parse_message_structure(message, subscription.protocol)
    topic = subscription.topic
    policies = (subscription.attributes.get("DeliveryPolicy"), topic.delivery_policy)
    return Notice(
        topic=topic.arn,
        subscription=subscription.arn,
        protocol=subscription.protocol,
        endpoint=subscription.endpoint,
        message_id=message_id,
        message=message,
        time=iso_8601_datetime_with_milliseconds(),
        subject=details.get("subject"),
        attributes=details.get("message_attributes") or {},
        raw=str(subscription.attributes.get("RawMessageDelivery")).lower() == "true",
        policies=tuple(policy for policy in policies if policy),
        signature_version=str(getattr(topic, "signature_version", "1")),
    )


def confirmation_of(subscription: Any) -> Notice:
    """Return what asks an endpoint to confirm (developer guide, "HTTP/HTTPS subscription confirmation JSON format")."""
    text = (
        f"You have chosen to subscribe to the topic {subscription.topic.arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    notice = notice_of(subscription, text, new_identifier(), {})
    return dataclasses.replace(notice, token=subscription.token, raw=False)


def is_pending(subscription: Any) -> bool:
    """Return whether an endpoint has not confirmed its subscription yet."""
    return bool(subscription.attributes.get("PendingConfirmation"))


def answer_subscribe(self: Any) -> Any:
    """Answer Subscribe: the ARN, where it is asked for or nobody has to confirm."""
    from moto.core.responses import ActionResult

    answer = original(type(self), "subscribe")(self)
    made = self.backend.subscriptions[answer.result["SubscriptionArn"]]
    if is_pending(made) and not self._get_bool_param("ReturnSubscriptionArn", False):
        return ActionResult({"SubscriptionArn": "pending confirmation"})
    return answer


def answer_confirm(self: Any) -> Any:
    """Answer ConfirmSubscription.

    Raises:
        SNSInvalidParameter: SNS sent no such token.
    """
    from moto.core.responses import ActionResult
    from moto.sns.exceptions import SNSInvalidParameter

    topic = self.backend.get_topic(self._get_param("TopicArn"))
    token = self._get_param("Token")
    for subscription in self.backend.subscriptions.values():
        if subscription.topic is topic and getattr(subscription, "token", None) == token:
            subscription.attributes["PendingConfirmation"] = False
            return ActionResult({"SubscriptionArn": subscription.arn})
    message = "Invalid parameter: Token"
    raise SNSInvalidParameter(message)


def lister(name: str) -> Callable[[Any], Any]:
    """Return an answer to a List action that shows which subscriptions are not confirmed."""
    from copy import copy

    def answer(self: Any) -> Any:
        listed = original(type(self), name)(self)
        shown = []
        for subscription in listed.result["Subscriptions"]:
            each = copy(subscription)
            if is_pending(each):
                each.arn = "PendingConfirmation"
            shown.append(each)
        listed.result["Subscriptions"] = shown
        return listed

    return answer


def new_identifier() -> str:
    """Return an identifier that a replay of the request finds again."""
    from moto.moto_api._internal import mock_random

    return str(mock_random.uuid4())
