"""The page and the picture of `callmart inspect`, from inspections put together by hand.

They hold what page and picture read; tests/commands/test_inspect.py runs real ones.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import scenes
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from callmart import fonts
from callmart.cli import main
from callmart.listening import drawing, page, wording
from ml.audio.decode import Recording

SIDE = {"talk_seconds": 6.0, "turns": 2, "longest_turn_seconds": 4.0, "first_speech_seconds": 9.5}


def segment(start: float, end: float, label: str, index: float) -> SimpleNamespace:
    shares = {name: 0.7 if name == label else 0.1 for name in ("angry", "happy", "neutral", "sad")}
    return SimpleNamespace(
        start_seconds=start, end_seconds=end, label=label, probabilities=shares, index=index
    )


def side_emotion() -> SimpleNamespace:
    segments = [segment(9.5, 13.5, "neutral", 50.0), segment(16.0, 18.0, "angry", 21.0)]
    return SimpleNamespace(
        label="angry",
        probabilities={"angry": 0.62, "happy": 0.08, "neutral": 0.25, "sad": 0.05},
        arousal=0.4,
        valence=-0.37,
        index=31.5,
        family="neural",
        model_version="1",
        start_index=50.0,
        end_index=21.0,
        peak_index=21.0,
        trend_per_minute=-262.5,
        speech_seconds=5.4,
        segments=segments,
    )


def but(found: SimpleNamespace, **changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(found), **changes})


def evidence(kind: str, start: float, end: float, detail: str) -> dict[str, Any]:
    return {"kind": kind, "start_seconds": start, "end_seconds": end, "detail": detail}


@pytest.fixture
def stereo() -> SimpleNamespace:
    """20 s: ringing to 7.2 s, an answer at 8 s, the customer from 9.5, the agent from 13.8, a beep."""
    return SimpleNamespace(
        report={
            "path": "call.wav",
            "duration_seconds": 20.0,
            "sample_rate_hz": 8000,
            "channels": 2,
            "is_answered": True,
            "is_connected": True,
            "outcome": "human",
            "confidence": 0.934,
            "ring_seconds": 7.0,
            "answered_at_seconds": 8.0,
            "evidence": [
                evidence("ringback", 1.0, 7.2, "customer: 450 Hz, 2 × on"),
                evidence("speech", 9.5, 13.5, "customer: first of 2 stretches, 6.0 s in all"),
                evidence("beep", 19.0, 19.3, "customer: 1000 Hz after speech"),
            ],
            "speech": {
                "agent": {**SIDE, "talk_seconds": 2.0, "turns": 1, "first_speech_seconds": 13.8},
                "customer": SIDE,
                "silence_seconds": 12.1,
                "overlap_seconds": 0.25,
                "interruptions": 1,
                "response_seconds_median": 0.3,
            },
            "emotion": {"agent": None, "customer": {}},
        },
        turns=[("customer", 9.5, 13.5), ("agent", 13.8, 15.8), ("customer", 16.0, 18.0)],
        codec="pcm_s16le",
        notes=["cut short: 20.0 s of 30.0 s are there"],
        interruptions={"agent": 0, "customer": 1},
        response_medians={"agent": 0.3, "customer": 0.2},
        mutual_silence_over_3s_seconds=9.5,
        processing_seconds=0.1,
        emotions={"customer": side_emotion()},
        sides={"agent": SIDE, "customer": SIDE},
        first_tone_seconds=1.0,
    )


@pytest.fixture
def mono(stereo: SimpleNamespace) -> SimpleNamespace:
    """The same in one channel, of which no side can be told."""
    items = stereo.report["evidence"]
    silent = {"agent": None, "customer": None, "silence_seconds": 12.1, "overlap_seconds": None}
    report = stereo.report | {
        "channels": 1,
        "evidence": [
            item | {"detail": item["detail"].replace("customer", "mixed")} for item in items
        ],
        "speech": silent | {"interruptions": None, "response_seconds_median": None},
    }
    return but(
        stereo,
        report=report,
        turns=[("mixed", 9.5, 18.0)],
        notes=[],
        interruptions=None,
        response_medians={"mixed": None},
        emotions={},
        sides={"mixed": SIDE},
    )


def shown(
    found: SimpleNamespace,
    width: int = 80,
    language: str = "en",
    name: str = "call.wav",
    **options: Any,
) -> list[str]:
    """The page's lines, as a terminal of `width` columns prints them."""
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, **options)
    console.print(page.render(name, found, wording.load_words(language), width))
    return file.getvalue().splitlines()


def row(lines: list[str], begins: str) -> str:
    """The cells of the first line that begins so, without its name and the frame."""
    line = next(line for line in lines if line.lstrip("│ ").startswith(begins))
    return line.strip("│ ").removeprefix(begins)


def test_the_page_says_what_was_decided_and_measured(stereo: SimpleNamespace) -> None:
    lines = shown(stereo, 100)
    text = "\n".join(lines)
    assert "A person answered · 93 % sure" in lines[0]
    for fact in ("answered at 8.00 s", "rang 7.0 s", "20.0 s long", "8 kHz", "stereo", "connected"):
        assert fact in text
    figures = {
        "talks": ["2.0 s", "6.0 s"],
        "share of all speech": ["25 %", "75 %"],
        "share of the call": ["10 %", "30 %"],
        "turns": ["1", "2"],
        "longest monologue": ["4.0 s", "4.0 s"],
        "first words at": ["13.80 s", "9.50 s"],
        "cut in on the other": ["0", "1"],
        "replies after (median)": ["0.30 s", "0.20 s"],
    }
    for name, values in figures.items():
        assert row(lines, name).split("  ")[-1].strip() == values[1], name
        assert row(lines, name).replace(" ", "") == "".join(values).replace(" ", ""), name
    assert "12.1 s · 9.5 s of it in silences over 3 s · both speak at once for 0.25 s" in text
    assert "cut short: 20.0 s of 30.0 s are there" in text


def test_the_page_shows_emotion_by_its_probabilities_and_course(stereo: SimpleNamespace) -> None:
    lines = shown(stereo, 100)
    bars = {name: row(lines, name) for name in ("angry ", "happy ", "neutral ", "sad ")}
    assert [bar.split("%")[0].split()[-1] for bar in bars.values()] == ["62", "8", "25", "5"]
    lengths = [bar.count("█") for bar in bars.values()]
    assert lengths == [15, 2, 6, 1], "bars of 24 columns"
    text = "\n".join(lines)
    assert "index 32 · 50 → 21 · falling (−262.5 a minute)" in text
    assert "5.4 s of voice judged" in text


def test_the_timeline_puts_marks_where_things_were(stereo: SimpleNamespace) -> None:
    cells = row(shown(stereo, 96), "customer  ")
    assert len(cells) == 82, "96 columns less the frame and the names"
    at = 82 / 20.0

    def mark(second: float) -> str:
        return cells[int(second * at)]

    assert mark(0.4) == "·"
    assert mark(4.0) == "~"
    assert mark(8.5) == "·"
    assert mark(11.0) == "█"
    assert mark(14.5) == "·"
    assert mark(17.0) == "█"
    assert "●" in cells[int(19.0 * at) - 1 : int(19.3 * at) + 1]


@pytest.mark.parametrize("width", [60, 72, 80, 100, 133, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_is_wider_than_the_terminal(
    stereo: SimpleNamespace, mono: SimpleNamespace, width: int, language: str
) -> None:
    name = "客户回访_" * 30 + ".wav"
    for found in (stereo, mono):
        lines = shown(found, width, language, name)
        assert {cell_len(line) for line in lines} == {width}, "the frame is broken"
        joined = "".join(line.strip("│ ") for line in lines)
        assert name in joined, "the name is not whole"


def test_mono_says_that_sides_are_not_told(mono: SimpleNamespace) -> None:
    text = "\n".join(shown(mono))
    assert "both sides in one channel" in text
    for words in ("cut in on", "replies after", "share of all speech", "both speak"):
        assert words not in text
    assert "too little speech to judge" in text


def test_two_voices_of_one_channel_have_columns_of_their_own(mono: SimpleNamespace) -> None:
    told = {"probability": 0.97, "purity": 0.91, "is_sure": True, "voices": [SIDE, SIDE]}
    speech = mono.report["speech"] | {"separation": told}
    found = but(mono, report=mono.report | {"speech": speech})
    text = "\n".join(shown(found, 100))
    assert "first voice" in text
    assert "second voice" in text
    assert "97 % sure of two" in text
    told |= {"is_sure": False, "voices": None, "probability": 0.6}
    text = "\n".join(shown(found, 100))
    assert "first voice" not in text
    assert "both sides in one channel" in text
    assert "60 % sure" in text


def test_names_and_details_are_not_read_as_markup(stereo: SimpleNamespace) -> None:
    text = "\n".join(shown(stereo, name="[red]x[/red] [bold.wav"))
    assert "[red]x[/red] [bold.wav" in text


def test_colour_only_where_a_terminal_is(stereo: SimpleNamespace) -> None:
    assert "\x1b[" in "\n".join(shown(stereo, force_terminal=True, color_system="standard"))
    assert "\x1b[" not in "\n".join(shown(stereo))


def test_no_colour_where_none_is_wanted(
    stereo: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = "\n".join(shown(stereo, force_terminal=True))
    for code in ("\x1b[3", "\x1b[1;3"):  # foreground colours; bold may stay
        assert code not in text.replace("\x1b[3m", "")


def test_many_alike_are_folded_with_their_last(stereo: SimpleNamespace) -> None:
    beeps = [evidence("beep", n, n + 0.2, "customer: 1000 Hz after speech") for n in range(12)]
    lines = shown(but(stereo, report=stereo.report | {"evidence": beeps}), 120)
    assert sum("1000 Hz after speech" in line for line in lines) == 4
    assert any("8 more, the last at 11.00" in line for line in lines)


def test_locales_have_the_same_words() -> None:
    def keys(value: Any) -> Any:
        return {k: keys(v) for k, v in value.items()} if isinstance(value, dict) else None

    assert wording.languages() == ["en", "zh"]
    assert keys(wording.load_words("en")) == keys(wording.load_words("zh"))


@given(st.floats(0.01, 7200 * 5), st.integers(1, 40))
def test_ticks_are_round_and_few(duration: float, most: int) -> None:
    places = wording.ticks(duration, most)
    assert places[0] == 0
    assert len(places) <= most + 1
    assert places[-1] <= duration + 0.01
    assert len({wording.tick_label(place, duration) for place in places}) == len(places)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0.20 s"), (9.44, "9.4 s"), (59.97, "1:00"), (245.4, "4:05"), (7200, "2:00:00")],
)
def test_lengths(seconds: float, said: str) -> None:
    assert wording.length(seconds) == said


def test_sure_is_never_rounded_to_certain() -> None:
    words = wording.load_words("en")
    assert "99 % sure" in wording.verdict({"outcome": "busy", "confidence": 0.998}, words)


# Pictures


def recording(rows: int) -> Recording:
    """20 s with a 450 Hz tone in the last channel from 1 to 7.2 s."""
    samples = np.zeros((rows, 160000), np.int16)
    tone = scenes.tone((450.0,), 6.2) * 32767
    samples[-1, 8000 : 8000 + tone.size] = tone.astype(np.int16)
    return Recording(samples, "pcm_s16le", 8000, rows)


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with av.open(io.BytesIO(png)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def rgb(colour: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def column_of(seconds: float) -> int:
    """The picture's column at a moment of a recording of 20 s."""
    return round((drawing.MARGINS["left"] + seconds / 20 * drawing.WIDTH) * drawing.SCALE)


def test_a_picture_shows_this_recording(stereo: SimpleNamespace) -> None:
    image = pixels(drawing.draw(stereo, recording(2), "call.wav").png).astype(int)
    width = drawing.MARGINS["left"] + drawing.WIDTH + drawing.MARGINS["right"]
    assert image.shape[1] == width * drawing.SCALE
    # Below the second wave begins the customer's spectrogram: the tone is its darkest row.
    top = drawing.MARGINS["top"] + 2 * 64 + 120 + 3 * 10
    strip = image[round((top + 8) * 1.5) : round((top + 112) * 1.5)]
    dark = strip[:, column_of(4.0)].sum(axis=1).argmin() / 1.5 + 8
    assert (120 - dark) / 120 * 4000 == pytest.approx(450, abs=60)
    assert strip[:, column_of(12.0)].sum(axis=1).min() > 600, "sound where there was none"
    # The ringing is framed in the colour of tones, and nothing is framed at 12 s.
    frame = image[round((top + 30) * 1.5), column_of(1.0) - 2 : column_of(1.0) + 3]
    assert np.abs(frame - rgb(drawing.LIGHT.marks["tone"])).sum(axis=1).min() < 60
    # The answer's dashed line stands in the empty agent's spectrogram.
    line = image[:, column_of(8.0) - 2 : column_of(8.0) + 3].reshape(-1, 3)
    close = np.abs(line - rgb(drawing.LIGHT.answered)).sum(axis=1) < 60
    assert close.sum() > 100
    # Turns of both sides are drawn in their colours where they were, and only there.
    for side, inside, outside in (("agent", 14.8, 12.0), ("customer", 17.0, 14.8)):
        colour = rgb(drawing.LIGHT.marks[side])
        low = image[round((top + 130) * 1.5) :]
        found = [
            (np.abs(low[:, column_of(second)] - colour).sum(axis=1) < 30).sum() > 15
            for second in (inside, outside)
        ]
        assert found == [True, False], side


def test_pictures_differ_with_what_they_show(
    stereo: SimpleNamespace, mono: SimpleNamespace
) -> None:
    one = drawing.draw(stereo, recording(2), "call.wav").png
    assert one == drawing.draw(stereo, recording(2), "call.wav").png
    dark = pixels(drawing.draw(stereo, recording(2), "call.wav", is_dark=True).png)
    assert tuple(dark[2, 2]) == tuple(rgb(drawing.DARK.ground))
    assert pixels(drawing.draw(mono, recording(1), "call.wav").png).shape[0] < dark.shape[0]
    quiet = dataclasses.replace(recording(2), samples=np.zeros((2, 160000), np.int16))
    assert one != drawing.draw(stereo, quiet, "call.wav").png


def test_the_document_holds_every_piece_of_evidence(stereo: SimpleNamespace) -> None:
    spec = drawing.compose(stereo, recording(2), "call.wav", wording.load_words("zh"))
    rows = [row for data in spec["datasets"].values() for row in data if "label" in row]
    bars = [row for row in rows if "kind" in row]
    assert [(bar["kind"], bar["start"]) for bar in bars] == [
        ("ringback", 1.0),
        ("speech", 9.5),
        ("beep", 19.0),
    ]
    assert bars[0]["label"] == "回铃音 · 客户 · 450 Hz, 2 × on"
    feelings = [row["label"] for row in rows if "emotion" in row]
    assert feelings == ["平静 70", "愤怒 70"]


@pytest.mark.parametrize("seconds", [0.0001, 0.2, 3.0])
def test_the_shortest_recordings_are_drawn(mono: SimpleNamespace, seconds: float) -> None:
    samples = np.full((1, max(1, round(seconds * 8000))), 100, np.int16)
    short = but(
        mono,
        report=mono.report
        | {"duration_seconds": seconds, "evidence": [], "answered_at_seconds": None},
        turns=[],
    )
    made = drawing.draw(short, Recording(samples, "pcm_s16le", 8000, 1), "short.wav")
    assert made.png.startswith(b"\x89PNG")


def test_envelope_and_spectrogram_keep_what_is_short() -> None:
    channel = np.zeros(800_000, np.int16)
    channel[400_000] = 20_000
    low, high = drawing.envelope(channel, 100)
    assert high[50] == pytest.approx(20_000 / 32768)
    assert np.count_nonzero(high) == 1
    assert not low.any()
    tone = (scenes.tone((1000.0,), 2.0, -12.0) * 32767).astype(np.int16)
    decibels = drawing.spectrogram_db(np.concatenate([np.zeros(16000, np.int16), tone]), 40)
    assert decibels.shape == (257, 40)
    assert decibels[64, 30] == pytest.approx(-12 + 3.01, abs=1.5), "RMS of −12 dB is a peak of −9"
    assert decibels[:, 10].max() < -100
    assert decibels[:, 30].argmax() == 64  # 1000 Hz of 15.625 Hz a bin


def test_png_is_what_was_given() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    assert (pixels(drawing.png(image)) == image).all()


def test_without_a_chinese_font_it_says_so_and_draws_no_boxes(
    stereo: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    monkeypatch.setattr(fonts, "can_show", lambda character: ord(character) < 0x250)
    drawn: list[dict[str, Any]] = []
    compose = drawing.compose

    def keep(*arguments: Any) -> dict[str, Any]:
        drawn.append(compose(*arguments))
        return drawn[-1]

    monkeypatch.setattr(drawing, "compose", keep)
    picture = drawing.draw(stereo, recording(2), "客户.wav", language="zh")
    title = drawn[0]["title"]["text"]
    assert title == ["??.wav", "A person answered · 93 % sure"]
    assert any("labelled in English" in warning for warning in picture.warnings)
    assert any("客" in warning for warning in picture.warnings)


def test_plot_writes_one_picture_or_many(tmp_path: Path) -> None:
    scene = scenes.Scene(6.0, 2, -65.0)
    scene.add(1, 0.0, scenes.progress_tone("CN", "busy", 6.0))
    paths = []
    for name in ("a.wav", "b/a.wav", "忙 c.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scenes.encode(scene.signal, "pcm16").data)
        paths.append(str(path))
    text = tmp_path / "in" / "text.wav"
    text.write_text("no sound at all, only words\n" * 9, encoding="utf-8")

    one = tmp_path / "one.png"
    result = CliRunner().invoke(main, ["inspect", "--json", paths[0], "--plot", str(one)])
    assert result.exit_code == 0, result.output
    assert pixels(one.read_bytes()).shape[1] > 1500
    many = tmp_path / "new" / "pictures"
    result = CliRunner().invoke(
        main, ["inspect", *paths, str(text), "--plot", str(many / "{name}.busy.png")]
    )
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in many.iterdir())
    assert names == ["a-2.busy.png", "a.busy.png", "忙 c.busy.png"]

    refused = tmp_path / "file"
    refused.write_text("in the way", encoding="utf-8")
    result = CliRunner().invoke(
        main, ["inspect", "--json", paths[0], "--plot", str(refused / "x.png")]
    )
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert '"busy"' in result.stdout, "the verdict is lost with the picture"
