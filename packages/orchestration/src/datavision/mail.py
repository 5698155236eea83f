"""The mail server in Airflow's connection: whether it accepts us, and mail through it."""

import json
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from datavision.errors import UserError

_TIMEOUT_SECONDS = 15
_SMTPS = 465
_UNUSABLE = "the value is not an Airflow connection in JSON with host and port ({!r})"


def check_mail(connection: str) -> str:
    """Connect as Airflow would, with TLS and credentials, send nothing, and return where to.

    Args:
        connection: The Airflow connection, as JSON: `host`, `port`, `login`, `password`, and in `extra` `disable_tls`.

    Raises:
        UserError: It is not such JSON, or the server does not answer, speak TLS, or accept the credentials.
    """
    values = parse_connection(connection)
    with _session(values) as server:
        server.noop()
    return _name(values)


def deliver(connection: Mapping[str, Any], message: EmailMessage) -> None:
    """Send an e-mail through the server of a connection.

    Raises:
        UserError: The connection lacks its host, or the server does not take the message.
    """
    with _session(connection) as server:
        server.send_message(message)


def parse_connection(text: str) -> dict[str, Any]:
    """Return an Airflow connection's fields.

    Raises:
        UserError: The text is not one in JSON.
    """
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise UserError(_UNUSABLE.format(error)) from None


def plain_connection(port: int) -> dict[str, Any]:
    """Return the connection of a mailbox on this machine, which speaks no TLS."""
    extra = {"disable_ssl": True, "disable_tls": True}
    return {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}


@contextmanager
def _session(values: Mapping[str, Any]) -> Iterator[smtplib.SMTP]:
    """Yield a session with the server, encrypted unless the connection says otherwise.

    Raises:
        UserError: There is no such server, or it turns us or the message away.
    """
    try:
        host, port = str(values["host"]), int(values.get("port") or 587)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(_UNUSABLE.format(error)) from None
    extra = values.get("extra") or {}
    tls = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=tls)
            if port == _SMTPS
            else smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
        ) as server:
            if port != _SMTPS and not extra.get("disable_tls"):
                server.starttls(context=tls)
            if values.get("login"):
                server.login(values["login"], values.get("password") or "")
            yield server
    except (OSError, smtplib.SMTPException) as error:
        raise UserError(f"{_name(values)} rejects us: {error}") from None


def _name(values: Mapping[str, Any]) -> str:
    return f"{values['host']}:{values.get('port') or 587}"
