"""The ends of the ways out: an SMTP server, a folder of mails, an HTTP endpoint."""

import base64
import http.client
import ipaddress
import os
import smtplib
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from fargate_local.deliveries.courier import UndeliverableError
from fargate_local.deliveries.ses import Mail

SECONDS: Final = 15.0
"""How long an endpoint may take (developer guide, "Amazon SNS message delivery retries")."""
MOST_MAILS: Final = 1000


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server that takes mails without encryption and without a password, as those for tests do."""

    host: str
    port: int

    def send(self, mail: Mail) -> None:
        """Hand over a mail.

        Raises:
            UndeliverableError: The server refuses it for good.
            SMTPResponseException: The server refuses it for now.
            OSError: The server cannot be reached.
        """
        try:
            with smtplib.SMTP(self.host, self.port, timeout=SECONDS) as connection:
                connection.send_message(mail.message, mail.sender, list(mail.recipients))
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= 500:
                raise UndeliverableError(f"{error.smtp_code} {words(error.smtp_error)}") from error
            raise
        except smtplib.SMTPRecipientsRefused as error:
            refusals = [f"{address}: {code} {words(text)}" for address, (code, text) in error.recipients.items()]
            raise UndeliverableError("; ".join(refusals)) from error

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def words(text: bytes | str) -> str:
    """Return what an SMTP server said."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


class MailFolder:
    """Keeps the newest mails as files that only their owner can read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, mail: Mail) -> Path:
        """Write a mail to a file of its own, which is complete as soon as it is there."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = str(mail.message["Message-ID"]).strip("<>").partition("@")[0]
        path = self.folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{name}.eml"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(mail.message.as_bytes())
        part.rename(path)
        for old in sorted(self.folder.glob("*.eml"))[:-MOST_MAILS]:
            old.unlink(missing_ok=True)
        return path


def check_reachable(url: str, hosts: Collection[str]) -> None:
    """Check that an endpoint is this machine, or one of `hosts`.

    Raises:
        UndeliverableError: It is not: nothing leaves this machine unasked.
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost") or host in hosts:
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    message = f"{host} is not this machine: start the server with --deliver-to {host}"
    raise UndeliverableError(message)


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Post to an HTTP endpoint; redirections are not followed.

    Raises:
        UndeliverableError: The endpoint refuses it, with a status in the 400s other than 429.
        ConnectionError: It fails.
        OSError: It cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = {**headers, "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        message = f"no HTTP answer: {error!r}"
        raise ConnectionError(message) from error
    finally:
        connection.close()
    if 400 <= status < 500 and status != 429:
        message = f"the endpoint answered {status}"
        raise UndeliverableError(message)
    if not 200 <= status < 300:
        message = f"the endpoint answered {status}"
        raise ConnectionError(message)
