"""A call on one time axis, as SVG: both sides' turns, what was heard, emotion, phrase hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]

WIDTH, LABEL, ROW, BAR = 960, 96, 30, 16
_COLOURS = {
    "agent": "#2f6db3", "customer": "#0b8a63", "mixed": "#4f6d8f", "tone": "#b0489f", "music": "#c98a12",
    "beep": "#d1372c", "other": "#8a8f98", "angry": "#d1372c", "happy": "#e0a21b", "neutral": "#a9b3ae",
    "sad": "#3f6fb5", "hit": "#b3261e", "ink": "#1d2724", "muted": "#5b6963", "grid": "#e6eae8",
}  # fmt: skip
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 12


def draw(
    seconds: float,
    turns: Sequence[Row],
    evidence: Sequence[Row],
    emotions: Sequence[Row],
    hits: Sequence[Row],
    answered_at: float | None,
    words: Mapping[str, Any],
    language: str,
) -> str:
    """The picture; everything that has a place can be clicked or reached by keyboard (`data-at`).

    seconds: length of the recording; rows as `queries` gives them
    """
    scale = (WIDTH - LABEL - 8) / max(seconds, 0.1)
    sides = [
        side for side in ("agent", "customer", "mixed") if any(t["side"] == side for t in turns)
    ]
    rows: list[tuple[str, list[str]]] = []
    for side in sides:
        marks = [
            _mark(t["start_seconds"], t["end_seconds"], side, f"{words['sides'][side]}", scale)
            for t in turns
            if t["side"] == side
        ]
        rows.append((words["sides"][side], marks))
        felt = [
            _mark(
                e["start_seconds"],
                e["end_seconds"],
                e["label"],
                f"{words['emotions'][e['label']]} {e['probability']:.0%}",
                scale,
                height=8,
            )
            for e in emotions
            if e["side"] == side
        ]
        if felt:
            rows.append((words["emotion"], felt))
    heard = [
        _mark(
            e["start_seconds"],
            e["end_seconds"],
            _sort(e["kind"]),
            " ".join(filter(None, (e["kind"], e["detail"]))),
            scale,
        )
        for e in evidence
        if e["start_seconds"] is not None
    ]
    if heard:
        rows.append((words["heard"], heard))
    found = [
        _mark(
            h["start_ms"] / 1000,
            (h["end_ms"] or h["start_ms"]) / 1000,
            "hit",
            f"{h[f'rule_name_{language}'] or h['rule_id']}: {h['quoted_text'] or ''}",
            scale,
        )
        for h in hits
        if h["start_ms"] is not None
    ]
    if found:
        rows.append((words["hits"], found))
    return _assemble(rows, seconds, scale, answered_at, words)


def _assemble(
    rows: list[tuple[str, list[str]]],
    seconds: float,
    scale: float,
    answered_at: float | None,
    words: Mapping[str, Any],
) -> str:
    height = ROW * len(rows) + 24
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="group" aria-label="{escape(words["picture"])}"'
        ' xmlns="http://www.w3.org/2000/svg" class="picture">'
    ]
    step = next((s for s in _STEPS if seconds / s <= _MOST_TICKS), _STEPS[-1])
    tick = 0
    while tick <= seconds:
        x = LABEL + tick * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 20}" stroke="{_COLOURS["grid"]}"/>'
            f'<text x="{x:.1f}" y="{height - 6}" font-size="12" text-anchor="middle"'
            f' fill="{_COLOURS["muted"]}">{tick // 60}:{tick % 60:02d}</text>'
        )
        tick += step
    for number, (label, marks) in enumerate(rows):
        parts.append(
            f'<g transform="translate(0 {number * ROW})"><text x="{LABEL - 8}" y="20" font-size="13"'
            f' text-anchor="end" fill="{_COLOURS["ink"]}">{escape(label)}</text>{"".join(marks)}</g>'
        )
    if answered_at is not None:
        x = LABEL + answered_at * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 20}" stroke="#0b6e4f"'
            f' stroke-dasharray="4 3"><title>{escape(words["answered"])}</title></line>'
        )
    parts.append(
        f'<line id="playhead" x1="{LABEL}" y1="0" x2="{LABEL}" y2="{height - 20}" stroke="#1d2724"'
        f' data-left="{LABEL}" data-scale="{scale:.6f}"/></svg>'
    )
    return "".join(parts)


def _sort(kind: str) -> str:
    for sort in ("music", "beep"):
        if sort in kind:
            return sort
    return "tone" if any(word in kind for word in ("tone", "ring", "busy", "fax")) else "other"


def _mark(
    start: float, end: float | None, colour: str, title: str, scale: float, height: int = BAR
) -> str:
    x = LABEL + start * scale
    width = max(((end or start) - start) * scale, 3.0)
    words = f"{title} · {int(start) // 60}:{int(start) % 60:02d}"
    return (
        f'<rect x="{x:.1f}" y="{(ROW - height) / 2:.0f}" width="{width:.1f}" height="{height}" rx="2"'
        f' fill="{_COLOURS[colour]}" tabindex="0" role="button" data-at="{start:.2f}"'
        f' aria-label="{escape(words)}"><title>{escape(words)}</title></rect>'
    )
