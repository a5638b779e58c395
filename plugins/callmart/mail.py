"""Sending mail: one message, a text part always, an HTML part where there is one."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

from callmart.settings import Settings


def compose(
    settings: Settings, recipient: str, subject: str, text: str, html: str | None = None
) -> EmailMessage:
    """A message with a plain text part and, where given, an HTML alternative.

    recipient: an address, or several with commas between them.
    """
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=False)
    sender = parseaddr(settings.mail_from)[1]
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or "localhost")
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def send(settings: Settings, messages: Iterable[EmailMessage]) -> None:
    """Hand `messages` to the mail server of the settings.

    Raises smtplib.SMTPException or OSError when the server refuses or cannot be reached.
    """
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=30) as server:
        if settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
        for message in messages:
            server.send_message(message)
