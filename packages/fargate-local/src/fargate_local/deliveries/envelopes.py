"""SNS's messages as endpoints get them, in JSON and as mails.

The fields: developer guide, "HTTP/HTTPS notification JSON format" and "… subscription confirmation JSON format".
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from fargate_local.cloud.notifications import Notice
from fargate_local.deliveries.signing import SigningKey

SENDER: Final = "AWS Notifications <no-reply@sns.amazonaws.com>"


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of this server that endpoints may visit without a key."""

    certificate: str
    confirm: Callable[[Notice], str]
    unsubscribe: Callable[[Notice], str]


def document(notice: Notice, links: Links, key: SigningKey) -> dict[str, Any]:
    """Return the JSON document of a notification, or of the request to confirm a subscription, signed."""
    content: dict[str, Any] = {
        "Type": kind(notice),
        "MessageId": notice.message_id,
        **({"Token": notice.token} if notice.token else {}),
        "TopicArn": notice.topic,
        **({"Subject": notice.subject} if notice.subject else {}),
        "Message": notice.message,
        **({"SubscribeURL": links.confirm(notice)} if notice.token else {}),
        "Timestamp": notice.time,
        "SignatureVersion": notice.signature_version,
    }
    content["Signature"] = key.sign(content, notice.signature_version)
    content["SigningCertURL"] = links.certificate
    if not notice.token:
        content["UnsubscribeURL"] = links.unsubscribe(notice)
    if notice.attributes:
        content["MessageAttributes"] = notice.attributes
    return content


def kind(notice: Notice) -> str:
    """Return the type of a message."""
    return "SubscriptionConfirmation" if notice.token else "Notification"


def headers(notice: Notice) -> dict[str, str]:
    """Return the headers of a call of an HTTP endpoint (developer guide, "HTTP/HTTPS headers")."""
    named = {
        "x-amz-sns-message-type": kind(notice),
        "x-amz-sns-message-id": notice.message_id,
        "x-amz-sns-topic-arn": notice.topic,
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    if not notice.token:
        named["x-amz-sns-subscription-arn"] = notice.subscription
    if notice.raw:
        named["x-amz-sns-rawdelivery"] = "true"
    return named


def mail(notice: Notice, links: Links, key: SigningKey) -> EmailMessage:
    """Return the mail for an `email` or `email-json` endpoint."""
    made = EmailMessage()
    made["From"] = SENDER
    made["To"] = notice.endpoint
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{notice.message_id}@sns.amazonaws.com>"
    if notice.token:
        made["Subject"] = "AWS Notification - Subscription Confirmation"
    else:
        made["Subject"] = " ".join((notice.subject or "AWS Notification Message").split())
    if notice.protocol == "email-json":
        made.set_content(json.dumps(document(notice, links, key), indent=2))
    else:
        made.set_content(confirmation_text(notice, links) if notice.token else notification_text(notice, links))
    return made


def confirmation_text(notice: Notice, links: Links) -> str:
    """Return the text of a mail that asks for a confirmation."""
    return (
        f"You have chosen to subscribe to the topic:\n{notice.topic}\n\n"
        "To confirm this subscription, click or visit the link below (If this was in error no action is necessary):\n"
        f"{links.confirm(notice)}\n"
    )


def notification_text(notice: Notice, links: Links) -> str:
    """Return the text of a notification's mail: the message, and how to hear no more of them."""
    return (
        f"{notice.message}\n\n--\n"
        "If you wish to stop receiving notifications from this topic, please click or visit the link below to"
        f" unsubscribe:\n{links.unsubscribe(notice)}\n"
    )
