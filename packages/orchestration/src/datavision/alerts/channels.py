"""The ways an alert takes: e-mail, and the channels that the mail server's connection names.

A way that is blocked stops neither the others nor the task.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from datavision.alerts.message import Message
from datavision.config import Config
from datavision.errors import UserError
from datavision.mail import deliver


@dataclass(frozen=True)
class Sent:
    """What became of a message on one way."""

    channel: str
    error: str = ""
    """Why it did not leave; empty: it did."""


def send(config: Config, message: Message, connection: Callable[[], Mapping[str, Any]]) -> list[Sent]:
    """Send a message on every way; raises nothing.

    Args:
        config: Of the environment.
        message: What to say.
        connection: Gives the mail server, as `datavision.mail.deliver` takes it; in its `extra`, `channels` lists the
            addresses of other ways as apprise writes them. They are secrets, as the server's password is.

    Returns:
        What became of it on each way.
    """
    try:
        server = connection()
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and nothing else may fail
        return [Sent("mail", _why(error))]
    ways: list[tuple[str, Callable[[], None]]] = []
    if config.alerts.email_to:
        ways.append(("mail", lambda: deliver(server, mail(config, message))))
    channels = (server.get("extra") or {}).get("channels") or []
    ways += [(name_of(url), partial(_notify, url, message)) for url in map(str, channels)]
    return [_tried(name, way) for name, way in ways]


def mail(config: Config, message: Message) -> EmailMessage:
    """Return a message as an e-mail in text and HTML."""
    made = EmailMessage()
    made["Subject"], made["From"] = message.subject, config.alerts.email_from
    made["To"] = ", ".join(config.alerts.email_to)
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain="datavision")
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    return made


def name_of(url: str) -> str:
    """Return how a channel is called where its address, which is a secret, must not be."""
    return urlsplit(url).scheme or "channel"


def _tried(name: str, way: Callable[[], None]) -> Sent:
    try:
        way()
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and nothing else may fail
        return Sent(name, _why(error))
    return Sent(name)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _notify(url: str, message: Message) -> None:
    # Here, because it takes a second to import.
    import apprise

    channel = apprise.Apprise()
    if not channel.add(url):
        raise UserError(f"{name_of(url)} is no address that apprise knows")
    kinds = {"bad": "failure", "late": "warning", "good": "success", "test": "info"}
    with apprise.LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]  # it ships no types
        done = channel.notify(title=message.subject, body=message.text, notify_type=kinds[message.tone])
        told = log.getvalue().strip().rpartition("\n")[2]
    if not done:
        raise UserError(told or "it was not taken")
