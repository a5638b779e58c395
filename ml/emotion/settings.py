"""What `settings.yaml` beside this file says, read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("settings.yaml")


@cache
def settings() -> dict[str, Any]:
    """The settings as nested dictionaries; the YAML file comments on each of them."""
    loaded: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return loaded


@cache
def labels() -> tuple[str, ...]:
    """The four labels in the order of every probability vector."""
    return tuple(settings()["labels"])


def default_family() -> str:
    """The family used where none is named."""
    return str(settings()["default_family"])
