"""A mail sink: takes every mail by SMTP on a loopback port and keeps it as a file.

Run as a process of its own: `python -m callmart.local.mail --folder DIR --port PORT`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click


class _Keeper:
    """aiosmtpd's handler: one `.eml` for each mail, named so that the order of names is the order
    of arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = self._folder / f"{moment}Z-{uuid.uuid4().hex[:8]}.eml"
        head = f"X-Envelope-From: {envelope.mail_from}\r\n"
        head += "".join(f"X-Envelope-To: {address}\r\n" for address in envelope.rcpt_tos)
        temporary = path.with_suffix(".part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(head.encode() + envelope.original_content)
        temporary.rename(path)
        return f"250 kept as {path.name}"


async def _serve(folder: Path, port: int) -> None:
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    keeper = _Keeper(folder)
    server = await loop.create_server(
        # 64 MB: a report with its attachments; the protocol's default of 32 MB refuses some.
        lambda: SMTP(keeper, enable_SMTPUTF8=True, data_size_limit=2**26, loop=loop),
        host="127.0.0.1",
        port=port,
    )
    async with server:
        await ended.wait()


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--port", type=int, required=True)
def main(folder: Path, port: int) -> None:
    """Keep every mail that arrives on 127.0.0.1:PORT in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(_serve(folder, port))


if __name__ == "__main__":
    main()
