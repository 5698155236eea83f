"""Checks whether the mail server in Airflow's connection accepts us."""

import json
import smtplib
import ssl

from datavision.errors import UserError

_TIMEOUT_SECONDS = 15


def check_mail(connection: str) -> str:
    """Connect as Airflow would, with TLS and credentials, send nothing, and return where to.

    Args:
        connection: The Airflow connection, as JSON: `host`, `port`, `login`, `password`, and in `extra` `disable_tls`.

    Raises:
        UserError: It is not such JSON, or the server does not answer, speak TLS, or accept the credentials.
    """
    try:
        values = json.loads(connection)
        host, port = str(values["host"]), int(values.get("port") or 587)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the value is not an Airflow connection in JSON with host and port ({error!r})") from None
    extra = values.get("extra") or {}
    try:
        with smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS) as server:
            if not extra.get("disable_tls"):
                server.starttls(context=ssl.create_default_context())
            if values.get("login"):
                server.login(values["login"], values.get("password") or "")
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        raise UserError(f"{host}:{port} rejects us: {error}") from None
    return f"{host}:{port}"
