"""A mail as a document: its text, its date and its attachments, each read like a file of its own."""

from __future__ import annotations

from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import NamedTuple

from secretariat.base.errors import InputError, LimitError
from secretariat.register.intake.encoding import decode
from secretariat.register.intake.html_text import read_html


class Attachment(NamedTuple):
    """One attached file."""

    name: str
    data: bytes


def read_mail(data: bytes, *, attachments: int) -> tuple[str, str | None, date | None, list[Attachment]]:
    """Give text, subject, date and attachments. Refuses a mail without text and attachment, or with too many."""
    mail = message_from_bytes(data, policy=policy.default)
    if not isinstance(mail, EmailMessage) or (mail["From"] is None and mail["Date"] is None):
        raise InputError("no readable mail", advice="save the message as .eml")
    files: list[Attachment] = []
    for at, part in enumerate(mail.iter_attachments()):
        if at >= attachments:
            raise LimitError(
                f"the mail has more than {attachments} attachments", advice="take in those you need"
            )
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            files.append(Attachment(part.get_filename() or f"attachment-{at + 1}", payload))
    body = mail.get_body(preferencelist=("plain", "html"))
    text = ""
    if body is not None:
        payload = body.get_payload(decode=True)
        raw = payload if isinstance(payload, bytes) else b""
        text, _name = decode(raw, body.get_content_charset())
        if body.get_content_type() == "text/html":
            text = read_html(text)[0]
    if not text.strip() and not files:
        raise InputError("the mail holds no text", advice="pictures are not read")
    subject = None if mail["Subject"] is None else str(mail["Subject"])
    stamp = mail["Date"].datetime if mail["Date"] is not None else None
    head = "" if subject is None else f"{subject}\n\n"
    return head + text.replace("\r\n", "\n"), subject, None if stamp is None else stamp.date(), files
