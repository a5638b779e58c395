"""What page and picture say alike: words of a language, the verdict, times, the scale of time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_LOCALES = Path(__file__).parent / "locales"
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TONES = frozenset(
    {"ringback", "busy", "congestion", "invalid_number", "special_information", "fax", "dtmf"}
)
_MUSIC = frozenset({"music", "colour_ringback"})

Words = Mapping[str, Any]


def languages() -> list[str]:
    """The languages that have a locale file."""
    return sorted(path.stem for path in _LOCALES.glob("*.yaml"))


@cache
def load_words(language: str) -> dict[str, Any]:
    """The locale file of `language`."""
    words: dict[str, Any] = yaml.safe_load((_LOCALES / f"{language}.yaml").read_text("utf-8"))
    return words


def sort_of(kind: str) -> str:
    """What an evidence's kind is drawn as: speech, tone, music, beep or other."""
    if kind in _TONES:
        return "tone"
    if kind in _MUSIC:
        return "music"
    return kind if kind in ("speech", "beep") else "other"


def kind_word(kind: str, words: Words) -> str:
    """A kind of evidence for a person; one without a word is shown as it is called."""
    word: str = words["kinds"].get(kind, kind.replace("_", " "))
    return word


def side_and_detail(detail: str) -> tuple[str, str]:
    """`customer: 450 Hz …` → (customer, 450 Hz …); without a side the first is empty."""
    side, colon, rest = detail.partition(": ")
    return (side, rest) if colon and side in ("agent", "customer", "mixed") else ("", detail)


def length(seconds: float) -> str:
    """A duration: 0.20 s, 9.4 s, 4:05, 2:00:03."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    return clock(round(seconds))


def clock(seconds: float, digits: int = 0) -> str:
    """A place in time as 4:05 or 2:00:03, with `digits` of the second's fraction."""
    whole = round(seconds, digits)
    minutes, rest = divmod(whole, 60)
    second = f"{rest:0{3 + digits if digits else 2}.{digits}f}"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{second}" if hours else f"{minutes}:{second}"


def place(seconds: float, duration: float) -> str:
    """A place in time to the hundredth, in minutes where the recording is longer than two."""
    return f"{seconds:.2f}" if duration < 120 else clock(seconds, 2)


def ticks(duration: float, most: int) -> list[float]:
    """Round places on a scale of `duration` seconds: 0 and at most `most` others."""
    step = next((step for step in _STEPS if duration / step <= most), None)
    if step is None:
        step = 3600.0 * -(-duration // (3600 * most))
    return [round(number * step, 2) for number in range(int(duration / step + 1e-9) + 1)]


def tick_label(seconds: float, duration: float) -> str:
    """A tick's label: seconds up to two minutes of recording, minutes beyond."""
    return f"{seconds:g}" if duration < 120 else clock(seconds)


def verdict(report: Mapping[str, Any], words: Words) -> str:
    """The outcome in words, and how sure it is."""
    outcome = report["outcome"]
    said: str = words["verdicts"].get(outcome, outcome)
    if report.get("confidence") is None:
        return said
    # 99.7 % is not 100 %: only certainty rounds to it.
    percent = min(99, round(100 * report["confidence"])) if report["confidence"] < 1 else 100
    return f"{said} · {words['sure'].format(percent=percent)}"


def facts(report: Mapping[str, Any], codec: str | None, words: Words) -> list[str]:
    """The decision's figures, then those of the file: short phrases to be joined."""
    answered, rang = report["answered_at_seconds"], report["ring_seconds"]
    count = report["channels"]
    return [
        f"{words['outcome']} {report['outcome']}",
        words["connected"] if report["is_connected"] else words["not_connected"],
        words["not_answered"]
        if answered is None
        else words["answered"].format(seconds=place(answered, 0) + " s"),
        words["rang"].format(seconds=length(rang)) if rang else words["did_not_ring"],
        words["length"].format(seconds=length(report["duration_seconds"])),
        words["kilohertz"].format(value=f"{report['sample_rate_hz'] / 1000:g}"),
        words["channels"].get(count, words["channels"]["other"].format(count=count)),
        *([codec] if codec else []),
    ]
