"""What `inspect` found in one recording, as a page for a person's terminal.

Nothing rests on colour alone: without it, marks and letters say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from callmart.listening import wording
from callmart.listening.wording import Words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from ml.emotion import SideEmotion
    from ml.inspection import Inspection

_MARKS = {"speech": "█", "tone": "~", "music": "♪", "beep": "●"}
_COLOURS = {
    "human": "green",
    "unreadable": "red",
    "unknown": "yellow",
    "agent": "cyan",
    "customer": "green",
    "mixed": "cyan",
    "tone": "magenta",
    "music": "yellow",
    "beep": "bold red",
    "angry": "red",
    "happy": "yellow",
    "neutral": "bright_black",
    "sad": "blue",
}
_LETTERS = {"angry": "A", "happy": "H", "neutral": "n", "sad": "s"}
_LEVELS = "▁▂▃▄▅▆▇█"
_ALIKE = 4
"""Of pieces of evidence that read alike, so many are listed; the picture shows all."""
_STEADY_POINTS = 5.0
"""A change of the emotion index (0–100) that is not called a movement."""

PLAIN = str.maketrans(
    {
        **dict(zip("█♪●▲·–→×…−", "#m*^.->x.-", strict=True)),
        **dict(zip(_LEVELS[:-1], "_.-~=+*", strict=True)),
        **dict(zip("─│╭╮╰╯┬━┴", "-|++++++'", strict=True)),
    }
)
"""For a terminal that is not UTF-8: every mark of the page in ASCII."""


def render(path: str, found: Inspection, words: Words, width: int) -> RenderableType:
    """The page of a recording, `width` columns wide (from about 40 on)."""
    from rich.console import Group
    from rich.text import Text

    report = found.report
    if report["outcome"] == "unreadable":
        return render_unreadable(path, report["reason"], words)
    inner = width - 4
    facts = wording.facts(report, found.codec, words)
    parts: list[RenderableType] = [
        _joined(facts[:4], inner),
        Text.assemble((_joined(facts[4:], inner).plain, "dim")),
        Text(),
        _timeline(found, words, inner),
        Text(),
        _heading(words["sections"]["heard"]),
        _evidence(report, words),
        Text(),
        _heading(words["sections"]["speech"]),
        *_speech(found, words, inner),
    ]
    emotions = _emotions(found, words, inner)
    if emotions is not None:
        parts += [Text(), _heading(words["sections"]["emotion"]), emotions]
    if found.notes:
        parts += [Text(), _heading(words["sections"]["notes"])]
        parts += [Text(f"· {note}", style="yellow") for note in found.notes]
    return _framed(path, report["outcome"], wording.verdict(report, words), Group(*parts))


def render_unreadable(path: str, reason: str, words: Words) -> RenderableType:
    """The page of a recording that could not be heard."""
    from rich.text import Text

    body = Text.assemble((f"{words['outcome']} unreadable\n", "dim"), reason)
    return _framed(path, "unreadable", words["verdicts"]["unreadable"], body)


def _framed(path: str, outcome: str, verdict: str, body: RenderableType) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    colour = _COLOURS.get(outcome, "cyan")
    # A path may be longer than the line and hold anything: it is folded, and never read as markup.
    name = Text(path, style="bold", overflow="fold")
    title = Text(f" {verdict} ", style=f"bold {colour}")
    return Panel(Group(name, body), title=title, title_align="left", border_style=colour)


def _heading(word: str) -> Text:
    from rich.text import Text

    return Text(word, style="bold underline")


def _joined(phrases: Sequence[str], width: int) -> Text:
    """Phrases with dots between them, broken between phrases where that is possible."""
    from rich.cells import cell_len
    from rich.text import Text

    lines = [""]
    for phrase in phrases:
        joined = f"{lines[-1]} · {phrase}" if lines[-1] else phrase
        if lines[-1] and cell_len(joined) > width:
            lines.append(phrase)
        else:
            lines[-1] = joined
    return Text("\n".join(lines))


def _sides(found: Inspection) -> list[str]:
    """The sides that anything is known of, the agent first."""
    heard = {turn[0] for turn in found.turns} | set(found.sides) | set(found.emotions)
    heard |= {wording.side_and_detail(item["detail"])[0] for item in found.report["evidence"]}
    return [side for side in ("agent", "customer", "mixed") if side in heard]


def _timeline(found: Inspection, words: Words, width: int) -> RenderableType:
    """A row a side, with its emotion below where there is one, a ruler, and what the marks mean."""
    from rich.cells import cell_len
    from rich.text import Text

    report = found.report
    duration = max(report["duration_seconds"], 1e-3)
    sides = _sides(found)
    names = [words["sides"][side] for side in sides] + [words["marks"]["emotion"]]
    margin = max(cell_len(name) for name in names) + 2
    columns = max(width - margin, 10)

    def cells(start: float, end: float) -> range:
        first = min(int(start / duration * columns), columns - 1)
        return range(first, min(max(first + 1, round(end / duration * columns)), columns))

    def label(name: str) -> str:
        return " " * (margin - 2 - cell_len(name)) + name + "  "

    drawn: set[str] = set()
    text = Text(no_wrap=True, overflow="crop")
    for side in sides:
        row: list[str] = ["nothing"] * columns
        spans = [("speech", start, end) for name, start, end in found.turns if name == side]
        for item in report["evidence"]:
            sort = wording.sort_of(item["kind"])
            if wording.side_and_detail(item["detail"])[0] == side and sort not in (
                "speech",
                "other",
            ):
                spans.append((sort, item["start_seconds"], item["end_seconds"]))
        # What is short and rare is drawn last, so that it is seen.
        for wanted in ("music", "speech", "tone", "beep"):
            for sort, start, end in spans:
                if sort == wanted:
                    drawn.add(sort)
                    for column in cells(start, end):
                        row[column] = sort
        text.append(label(words["sides"][side]), style="bold")
        for sort, count in _runs(row):
            colour = _COLOURS[side] if sort == "speech" else _COLOURS.get(sort, "dim")
            text.append(_MARKS.get(sort, "·") * count, style=colour)
        text.append("\n")
        if side in found.emotions:
            feelings = [""] * columns
            for segment in found.emotions[side].segments:
                for column in cells(segment.start_seconds, segment.end_seconds):
                    feelings[column] = segment.label
            text.append(label(words["marks"]["emotion"]), style="dim")
            for feeling, count in _runs(feelings):
                drawn.add(feeling)
                text.append(_LETTERS.get(feeling, " ") * count, style=_COLOURS.get(feeling, ""))
            text.append("\n")
    text.append_text(_ruler(report["answered_at_seconds"], duration, margin, columns))
    text.append_text(_legend(drawn, report["answered_at_seconds"] is not None, words, margin))
    return text


def _runs(row: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbours of a kind, counted: rows of hundreds of cells are a few styled pieces."""
    edges = [0, *[i for i in range(1, len(row)) if row[i] != row[i - 1]], len(row)]
    return [(row[a], b - a) for a, b in pairwise(edges) if b > a]


def _ruler(answered: float | None, duration: float, margin: int, columns: int) -> Text:
    from rich.text import Text

    line, labels = ["─"] * columns, [" "] * (columns + margin)
    free = 0
    last = wording.tick_label(duration, duration)
    most = max(1, columns // max(9, len(last) + 4))
    places = wording.ticks(duration, most)
    for number, second in enumerate(places):
        column = min(int(second / duration * columns), columns - 1)
        line[column] = "┬"
        word = wording.tick_label(second, duration)
        # The unit stands at the last label, where every reader looks for the length.
        word += " s" if number == len(places) - 1 and duration < 120 else ""
        start = max(free, margin + column - (len(word) // 2 if column else 0))
        start = min(start, len(labels) - len(word))
        if start >= free:
            labels[start : start + len(word)] = word
            free = start + len(word) + 1
    text = Text(" " * margin)
    if answered is not None:
        at = min(int(answered / duration * columns), columns - 1)
        text.append("".join(line[:at]), style="dim")
        text.append("▲", style="bold green")
        text.append("".join(line[at + 1 :]), style="dim")
    else:
        text.append("".join(line), style="dim")
    text.append("\n" + "".join(labels).rstrip() + "\n", style="dim")
    return text


def _legend(drawn: set[str], is_answered: bool, words: Words, margin: int) -> Text:
    """Only the marks that stand in this timeline."""
    from rich.text import Text

    text = Text(" " * margin)
    entries = [
        (mark, words["kinds"][sort], _COLOURS.get(sort, ""))
        for sort, mark in _MARKS.items()
        if sort in drawn
    ]
    entries += [
        (letter, words["emotion"]["labels"][label], _COLOURS[label])
        for label, letter in _LETTERS.items()
        if label in drawn
    ]
    if is_answered:
        entries.append(("▲", words["marks"]["answered"], "bold green"))
    for mark, word, style in entries:
        text.append(mark, style=style)
        text.append(f" {word}  ", style="dim")
    return text


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")


def _evidence(report: Mapping[str, Any], words: Words) -> RenderableType:
    table = _table()
    columns = words["columns"]
    for name in ("from", "to"):
        table.add_column(columns[name], justify="right", no_wrap=True)
    table.add_column(columns["what"])
    table.add_column(columns["side"], no_wrap=True)
    table.add_column(columns["detail"], overflow="fold")
    duration = report["duration_seconds"]
    for item, more in _folded(report["evidence"]):
        side, detail = wording.side_and_detail(item["detail"])
        sort = wording.sort_of(item["kind"])
        if more:
            detail = f"{detail} · " + columns["more"].format(
                count=len(more), place=wording.place(more[-1]["start_seconds"], duration)
            )
        table.add_row(
            wording.place(item["start_seconds"], duration),
            wording.place(item["end_seconds"], duration),
            _plain(wording.kind_word(item["kind"], words), _COLOURS.get(sort, "")),
            words["sides"].get(side, ""),
            _plain(detail),
        )
    return table if table.row_count else _plain("–")


def _folded(
    evidence: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The evidence in order; of what is alike more than a few times, the rest with the last shown."""
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    shown: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = []
    for item in evidence:
        key = (item["kind"], item["detail"])
        group = alike.setdefault(key, [])
        group.append(item)
        if len(group) <= _ALIKE:
            shown.append((item, []))
    for place, (item, _) in enumerate(shown):
        group = alike[item["kind"], item["detail"]]
        if len(group) > _ALIKE and item is group[_ALIKE - 1]:
            shown[place] = (item, group[_ALIKE:])
    return shown


def _plain(value: str, style: str = "") -> Text:
    """Text as it is: what comes from a file or the analyser is never read as markup."""
    from rich.text import Text

    return Text(value, style=style)


def _speech(found: Inspection, words: Words, width: int) -> list[RenderableType]:
    report, names = found.report["speech"], words["speech"]
    figures: dict[str, Mapping[str, Any]] = {
        side: report[side] for side in ("agent", "customer") if report[side] is not None
    }
    apart = report.get("separation") or {}
    if apart.get("voices") and not figures:
        figures = dict(zip(("first", "second"), apart["voices"], strict=True))
    if "mixed" in found.sides and not figures:
        figures["mixed"] = found.sides["mixed"]
    silence = [names["nobody"].format(seconds=wording.length(report["silence_seconds"]))]
    if not any(side["turns"] for side in figures.values()):
        return [_plain(names["nothing"])]
    duration = found.report["duration_seconds"]
    total = sum(side["talk_seconds"] for side in figures.values())
    rows: list[tuple[str, list[str]]] = [
        (names["talk"], [wording.length(side["talk_seconds"]) for side in figures.values()])
    ]
    shares = [("share_of_call", duration)]
    if "mixed" not in figures and len(figures) == 2:
        shares.insert(0, ("share_of_speech", total))
    for name, whole in shares:
        rows.append(
            (names[name], [_percent(side["talk_seconds"], whole) for side in figures.values()])
        )
    rows.append((names["turns"], [str(side["turns"]) for side in figures.values()]))
    rows.append(
        (
            names["longest"],
            [wording.length(side["longest_turn_seconds"]) for side in figures.values()],
        )
    )
    firsts = [side["first_speech_seconds"] for side in figures.values()]
    rows.append(
        (names["first"], ["–" if f is None else f"{wording.place(f, 0)} s" for f in firsts])
    )
    if found.interruptions is not None:
        rows.append((names["cut_in"], [str(found.interruptions.get(s, "–")) for s in figures]))
    responses = [found.response_medians.get(side) for side in figures]
    if any(value is not None for value in responses):
        rows.append((names["response"], ["–" if v is None else f"{v:.2f} s" for v in responses]))
    table = _table()
    table.add_column("")
    for side in figures:
        heading = words["sides"]["mixed_long" if side == "mixed" else side]
        table.add_column(heading, justify="right")
    for name, values in rows:
        table.add_row(name, *values)
    long_silence = found.mutual_silence_over_3s_seconds
    if long_silence:
        silence.append(names["long_silence"].format(seconds=wording.length(long_silence)))
    if report["overlap_seconds"] is not None:
        silence.append(names["overlap"].format(seconds=wording.length(report["overlap_seconds"])))
    lines: list[RenderableType] = [table, _joined(silence, width)]
    if apart:
        key = "told_apart" if apart["is_sure"] else "not_told_apart"
        told = names[key].format(
            probability=f"{100 * apart['probability']:.0f}", purity=f"{100 * apart['purity']:.0f}"
        )
        lines.append(_plain(told, "dim"))
    return lines


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _emotions(found: Inspection, words: Words, width: int) -> RenderableType | None:
    """Each side's probabilities as bars, then its index from start to end; None without speech."""
    from rich.console import Group
    from rich.table import Table

    if not found.emotions:
        if not any(side["turns"] for side in found.sides.values()):
            return None
        return _plain(words["emotion"]["too_little"], "dim")
    blocks = [
        Group(*_emotion(side, found.emotions[side], words, min(width, 48)))
        for side in ("agent", "customer", "mixed")
        if side in found.emotions
    ]
    if len(blocks) == 1 or width < 92:
        separated: list[RenderableType] = [blocks[0]]
        for block in blocks[1:]:
            separated += [_plain(""), block]
        return Group(*separated)
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_row(*blocks)
    return grid


def _emotion(side: str, judged: SideEmotion, words: Words, width: int) -> list[RenderableType]:
    from rich.cells import cell_len
    from rich.text import Text

    names = words["emotion"]
    colour = _COLOURS[judged.label]
    head = Text.assemble(
        (words["sides"][side], "bold"),
        "  ",
        (names["labels"][judged.label], f"bold {colour}"),
        (f"  {names['voiced'].format(seconds=wording.length(judged.speech_seconds))}", "dim"),
    )
    lines: list[RenderableType] = [head]
    margin = max(cell_len(word) for word in names["labels"].values())
    room = max(8, min(24, width - margin - 9))
    for label, share in judged.probabilities.items():
        word = names["labels"][label]
        full = round(share * room)
        lines.append(
            Text.assemble(
                f"  {word}{' ' * (margin - cell_len(word))} ",
                ("█" * full, _COLOURS[label]),
                ("·" * (room - full), "dim"),
                f" {100 * share:3.0f} %",
            )
        )
    phrases = [f"{names['index']} {judged.index:.0f}"]
    if len(judged.segments) > 1:
        course = names["start_end"].format(
            start=f"{judged.start_index:.0f}", end=f"{judged.end_index:.0f}"
        )
        phrases.append(course)
        if judged.trend_per_minute is not None:
            points = f"{judged.trend_per_minute:+.1f}".replace("-", "−")
            minutes = (judged.segments[-1].end_seconds - judged.segments[0].start_seconds) / 60
            phrases.append(
                names[_movement(judged.trend_per_minute * minutes)]
                + f" ({names['trend'].format(points=points)})"
            )
        phrases.append(f"{names['peak']} {judged.peak_index:.0f}")
    phrases.append(f"{names['arousal']} {judged.arousal:+.2f}".replace("-", "−"))
    phrases.append(f"{names['valence']} {judged.valence:+.2f}".replace("-", "−"))
    spark = _spark([segment.index for segment in judged.segments], room)
    if len(judged.segments) > 1:
        lines.append(Text.assemble("  ", (" " * (margin + 1)), (spark, colour)))
    lines += [Text(f"  {line}") for line in _joined(phrases, width - 2).plain.split("\n")]
    return lines


def _movement(points: float) -> str:
    if abs(points) < _STEADY_POINTS:
        return "steady"
    return "rising" if points > 0 else "falling"


def _spark(values: Sequence[float], room: int) -> str:
    """The index, 0–100, along the call: a small block a segment, means of several where many."""
    count = min(len(values), room)
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    return "".join(_LEVELS[min(7, max(0, int(mean / 12.5)))] for mean in means)
