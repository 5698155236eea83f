"""A mailbox on 127.0.0.1: what Airflow's alerts would send lands as `.eml` files in the state folder."""

import itertools
import os
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from fargate_local.ports import free_port


class Mailbox:
    """An SMTP server in a thread of this process; every message becomes a file of `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self._folder = folder
        self._numbers = itertools.count(1)
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start listening."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; the messages are kept."""
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one message."""
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{next(self._numbers):03d}.eml"
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(envelope.original_content or b"")
        return "250 OK"
