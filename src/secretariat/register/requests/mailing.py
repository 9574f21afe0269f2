"""Mail goes out through one configured server, protected by TLS, with a password from a file of mode 0600."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING

from secretariat.base.errors import InputError, StateError, UnavailableError

if TYPE_CHECKING:
    from secretariat.base.settings import NodeSettings

TIMEOUT_S = 20.0
_ADDRESS_MAX = 254


def check_address(text: str) -> str:
    """Give a mail address as it may stand in a header. Refuses what is none, and any second line."""
    address = text.strip()
    name, mark, host = address.rpartition("@")
    plain = address.isascii() and address.isprintable() and not set(address) & set(' ,;:<>()[]\\"')
    if not (mark and name and host and plain) or len(address) > _ADDRESS_MAX or "@" in name:
        raise InputError(f"no mail address: {address[:80]!r}", where="address", advice="name@host")
    return address


def message(settings: NodeSettings, to: str, subject: str, text: str) -> EmailMessage:
    """Make a mail that says it was made by a machine."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(subject.split())
    mail["From"] = check_address(settings.smtp_from or f"secretariat@{settings.host}")
    mail["To"] = check_address(to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=settings.host)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
    mail.set_content(text)
    return mail


def send(settings: NodeSettings, mail: EmailMessage) -> None:
    """Hand a mail to the server. Refuses without a server, without protection, and with a readable secret."""
    host = settings.smtp_host
    if not host:
        raise StateError("no mail server is named", where="smtp_host", advice="set it in node.toml")
    if settings.smtp_security == "none" and not _is_here(host):
        raise StateError(
            "a mail server elsewhere is reached by TLS only",
            where="smtp_security",
            advice="starttls or tls",
        )
    password = _password(settings) if settings.smtp_user else ""
    try:
        trust = ssl.create_default_context(cafile=settings.smtp_ca or None)
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, settings.smtp_port, timeout=TIMEOUT_S, context=trust
            )
        else:
            server = smtplib.SMTP(host, settings.smtp_port, timeout=TIMEOUT_S)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=trust)
            if settings.smtp_user:
                server.login(settings.smtp_user, password)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise UnavailableError(
            f"the mail server did not take it: {type(error).__name__}",
            where=f"{host}:{settings.smtp_port}",
            advice="try again later; the log of the server says more",
        ) from error


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _password(settings: NodeSettings) -> str:
    path = settings.data / Path(settings.smtp_password_file).expanduser()
    if not settings.smtp_password_file or not path.is_file():
        raise StateError(
            "no password for the mail server", where="smtp_password_file", advice="name a file of mode 0600"
        )
    if path.stat().st_mode & 0o077:
        raise StateError(
            "others may read the password of the mail server", where=str(path), advice=f"chmod 600 {path}"
        )
    return path.read_text(encoding="utf-8").strip()
