"""The mails of SES's SendEmail, SendRawEmail and SESv2's SendEmail, as they leave."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import Any, Final
from urllib.parse import parse_qs

from fargate_local.cloud.requests import CloudRequest

V2_PATH: Final = "/v2/email/outbound-emails"
UNDELIVERED: Final = ("SendTemplatedEmail", "SendBulkTemplatedEmail", "SendBulkEmail", "SendBounce")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its envelope."""

    sender: str
    recipients: Sequence[str]
    message: EmailMessage


def is_mail(request: CloudRequest) -> bool:
    """Return whether a request sends a mail."""
    return request.service == "ses" and (
        request.action in ("SendEmail", "SendRawEmail", *UNDELIVERED)
        or (request.method == "POST" and request.path == V2_PATH)
    )


def mail_of(request: CloudRequest, message_id: str) -> Mail | None:
    """Return the mail of a request that SES took, or None where it is one that moto does not fill in (templates)."""
    if request.path == V2_PATH:
        return of_v2(json.loads(request.body), message_id, request.region)
    form = parse_qs(request.body.decode(), keep_blank_values=True)
    match request.action:
        case "SendEmail":
            return of_form(form, message_id, request.region)
        case "SendRawEmail":
            raw = base64.b64decode(form["RawMessage.Data"][0])
            given = form.get("Source", [""])[0], members(form, "Destinations")
            return of_raw(raw, *given, message_id, request.region)
    return None


def members(form: dict[str, list[str]], name: str) -> list[str]:
    """Return a list of the query protocol."""
    found: list[str] = []
    while values := form.get(f"{name}.member.{len(found) + 1}"):
        found.append(values[0])
    return found


def of_form(form: dict[str, list[str]], message_id: str, region: str) -> Mail:
    """Return the mail of version 1's SendEmail."""

    def text(name: str) -> str | None:
        return form[name][0] if name in form else None

    places = {kind: members(form, f"Destination.{kind}Addresses") for kind in ("To", "Cc", "Bcc")}
    return composed(
        text("Source") or "",
        places,
        members(form, "ReplyToAddresses"),
        text("Message.Subject.Data") or "",
        (text("Message.Body.Text.Data"), text("Message.Body.Html.Data")),
        made_here(message_id, region),
    )


def of_v2(content: dict[str, Any], message_id: str, region: str) -> Mail | None:
    """Return the mail of version 2's SendEmail."""
    places = {kind: content.get("Destination", {}).get(f"{kind}Addresses") or [] for kind in ("To", "Cc", "Bcc")}
    sender = content.get("FromEmailAddress") or ""
    if raw := content["Content"].get("Raw"):
        everybody = [address for addresses in places.values() for address in addresses]
        return of_raw(base64.b64decode(raw["Data"]), sender, everybody, message_id, region)
    simple = content["Content"].get("Simple")
    if simple is None:
        return None
    bodies = tuple((simple["Body"].get(kind) or {}).get("Data") for kind in ("Text", "Html"))
    headers = {each["Name"]: each["Value"] for each in simple.get("Headers") or ()}
    replies = content.get("ReplyToAddresses") or []
    subject = simple["Subject"]["Data"]
    return composed(sender, places, replies, subject, bodies, headers | made_here(message_id, region))


def made_here(message_id: str, region: str) -> dict[str, str]:
    """Return the headers that SES adds (developer guide, "Header fields in Amazon SES")."""
    domain = "email.amazonses.com" if region == "us-east-1" else f"{region}.amazonses.com"
    return {"Message-ID": f"<{message_id}@{domain}>", "Date": format_datetime(datetime.now(UTC))}


def composed(
    sender: str,
    places: dict[str, list[str]],
    replies: list[str],
    subject: str,
    bodies: tuple[str | None, ...],
    headers: dict[str, str],
) -> Mail:
    """Return a mail of its parts; `bodies` are its text and its HTML."""
    message = EmailMessage(policy.SMTP)
    message["From"] = sender
    for kind in ("To", "Cc"):
        if places[kind]:
            message[kind] = ", ".join(places[kind])
    if replies:
        message["Reply-To"] = ", ".join(replies)
    message["Subject"] = " ".join(subject.split())
    for name, value in headers.items():
        message[name] = value
    text, html = bodies
    if text is not None or html is None:
        message.set_content(text or "")
        if html is not None:
            message.add_alternative(html, subtype="html")
    else:
        message.set_content(html, subtype="html")
    return Mail(bare(sender), bare_all([each for kind in places.values() for each in kind]), message)


def of_raw(raw: bytes, sender: str, recipients: Sequence[str], message_id: str, region: str) -> Mail:
    """Return a mail that was given whole; it goes to `recipients`, or else to those that its headers name."""
    message = message_from_bytes(raw, policy=policy.SMTP)
    named = [address for header in ("To", "Cc", "Bcc") for address in message.get_all(header, [])]
    del message["Bcc"]
    for name, value in made_here(message_id, region).items():
        if name == "Message-ID":
            del message[name]
        if name not in message:
            message[name] = value
    return Mail(bare(sender or str(message["From"])), bare_all([*recipients] or [str(each) for each in named]), message)


def bare(address: str) -> str:
    """Return an address without its name."""
    return next(iter(bare_all([address])), "")


def bare_all(addresses: Sequence[str]) -> list[str]:
    """Return addresses without names, each once."""
    return list(dict.fromkeys(address for _, address in getaddresses(addresses) if address))
