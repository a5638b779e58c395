"""Settings for a command: those of the environment, else those of the embedded stack."""

from __future__ import annotations

import os

import click

from callmart.settings import Settings


def command_settings() -> Settings:
    """The settings of the environment; where it names no warehouse, the embedded stack's.

    The stack's variables (credentials of its bucket among them) are put into this process's
    environment. Raises click.ClickException where there is neither.
    """
    settings = Settings.from_environment()
    if settings.warehouse_dsn:
        return settings
    from callmart.local.stack import Stack

    if not (settings.home / "env").exists():
        raise click.ClickException(
            "no warehouse is configured (CALLMART_WAREHOUSE_DSN) and no embedded stack was started:"
            " run `callmart up` or `callmart demo` first"
        )
    os.environ.update(Stack(settings.home).environment())
    return Settings.from_environment()
