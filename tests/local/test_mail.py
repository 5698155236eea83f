"""The local mailbox takes what a real SMTP client sends."""

import smtplib
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

from datavision.local.mail import Mailbox


def test_every_message_becomes_a_file(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mail")
    mailbox.start()
    try:
        with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as smtp:
            for subject in ("one", "two"):
                message = EmailMessage()
                message["Subject"], message["From"], message["To"] = subject, "a@example.org", "b@example.org"
                message.set_content("The daily data is late.")
                smtp.send_message(message)
    finally:
        mailbox.stop()
    found = [message_from_bytes(path.read_bytes())["Subject"] for path in sorted((tmp_path / "mail").glob("*.eml"))]
    assert found == ["one", "two"]
