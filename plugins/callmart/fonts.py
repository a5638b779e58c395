"""Which characters the fonts of this machine can draw: what they cannot becomes boxes."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

REMEDY = "apt install fonts-noto-cjk (macOS has one; elsewhere put Noto Sans CJK in ~/.fonts)"
"""How to get a Chinese font."""

_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/System/Library/Fonts"),
    Path.home() / ".fonts",
    Path.home() / ".local" / "share" / "fonts",
)
# Files that hold a Chinese font, by what they are called, and the family they bring.
_FILES = re.compile(
    r"(cjk|hei|song|pingfang|wqy|sourcehan|hiragino).*\.(tt[cf]|otf)$", re.IGNORECASE
)


@cache
def chinese_font() -> str | None:
    """The family (or, without fontconfig, the file) of a font with Chinese; sans serif first."""
    if shutil.which("fc-list"):
        families = _families(":lang=zh")
        plain = [name for name in families if "sans" in name.lower() and "mono" not in name.lower()]
        simplified = [name for name in plain if name.endswith("SC")]
        return next(iter(simplified or plain or families), None)
    for folder in _FOLDERS:
        for path in sorted(folder.rglob("*")):
            if _FILES.search(path.name):
                return path.name
    return None


@cache
def can_show(character: str) -> bool:
    """Whether some font here has it. Without fontconfig: Latin always, Chinese by `chinese_font`."""
    if ord(character) < 0x250:
        return character.isprintable()
    if shutil.which("fc-list"):
        return bool(_families(f":charset={ord(character):x}"))
    return 0x2E80 <= ord(character) <= 0xFFEF and chinese_font() is not None


def _families(pattern: str) -> list[str]:
    listed = subprocess.run(
        ["fc-list", pattern, "family"], capture_output=True, text=True, check=False
    )
    return sorted({line.split(",")[0] for line in listed.stdout.splitlines() if line})
