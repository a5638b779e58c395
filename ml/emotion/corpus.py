"""Labelled recordings named by a manifest → stretches of speech ready for a family.

A manifest is a UTF-8 CSV file with the columns `path,speaker,label` (others are passed over);
paths are relative to the manifest or absolute. A row that breaks a rule (unknown label, no such
file, not readable, no voice) is left out and named; a manifest is refused when it is no such CSV
file or too little is left to learn from and to test.
"""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.emotion import features
from ml.emotion.augment import vary
from ml.emotion.families import Array, Stretch
from ml.emotion.settings import labels as known_labels
from ml.emotion.settings import settings

_COLUMNS = ("path", "speaker", "label")
_FAULTS_SHOWN = 20


@dataclass(frozen=True)
class RowFault:
    """A row that was left out: its line in the file (the header is line 1), its path as written
    (None where it has none), and the rule it breaks."""

    row: int
    path: str | None
    rule: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.rule}"


class ManifestError(ValueError):
    """Nothing can be learnt from the manifest; the message names file, row and rule, one a line.

    `faults` are the rows that were at fault, where there are any.
    """

    def __init__(self, message: str, faults: Sequence[RowFault] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)


@dataclass(frozen=True)
class Row:
    """One line of a manifest; `number` is its line in the file (the header is line 1)."""

    number: int
    path: Path
    speaker: str
    label: str


@dataclass(frozen=True)
class Corpus:
    """Stretches with their labels, speakers and rows, all of the same length.

    `copies` holds for each recording its variants to learn from, by the variant's name.
    `faults` names what was left out and why; `digests` are eight hexadecimal digits of each
    recording's content; `audio_seconds` and `feature_seconds` (processor time) give the speed of
    the features alone, decoding apart.
    """

    stretches: list[Stretch]
    copies: list[dict[str, Stretch]]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    rows: list[Row]
    faults: list[RowFault]
    digests: list[str]
    audio_seconds: float
    feature_seconds: float

    @property
    def realtime_factor(self) -> float:
        return self.audio_seconds / max(self.feature_seconds, 1e-9)


def read_manifest(manifest: Path) -> tuple[list[Row], list[RowFault]]:
    """The rows of a manifest that can be used, and those that cannot.

    A row is at fault when a field is empty or too many, its label is none of the four (nor another
    word for one: `label_words` of the settings), its file is not there, or its path stands in an
    earlier row.

    Raises:
        ManifestError: not readable as UTF-8 CSV, a missing column, no rows, or fewer than two
            labels or two speakers in the rows that can be used.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = [(name or "").strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            lines = [(reader.line_num, line) for line in reader]
    except OSError as error:
        raise ManifestError(f"{manifest}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{manifest}: not UTF-8 (byte {error.start})") from error
    except csv.Error as error:
        raise ManifestError(f"{manifest}: row {reader.line_num}: not CSV: {error}") from error
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise ManifestError(
            f"{manifest}: row 1: the header lacks {', '.join(missing)}; "
            f"wanted: {','.join(_COLUMNS)}"
        )
    if not lines:
        raise ManifestError(f"{manifest}: row 2: no recording is named")
    rows: list[Row] = []
    faults: list[RowFault] = []
    seen: dict[Path, int] = {}
    for number, line in lines:
        field = {name: (line[name] or "").strip() for name in _COLUMNS}
        path = manifest.parent / field["path"]
        label = _label(field["label"])
        empty = [name for name in _COLUMNS if not field[name]]
        rule = None
        if None in line:
            rule = "more fields than the header has"
        elif empty:
            rule = f"{', '.join(empty)} must not be empty"
        elif label is None:
            rule = f"label {field['label']!r} is none of {', '.join(known_labels())}"
        elif path in seen:
            rule = f"path {field['path']} stands in row {seen[path]} already"
        elif not path.is_file():
            rule = f"path {field['path']}: no such file"
        else:
            seen[path] = number
            rows.append(Row(number, path, field["speaker"], label))
        if rule is not None:
            faults.append(RowFault(number, field["path"] or None, rule))
    _check_enough(manifest, rows, faults)
    return rows, faults


def _label(written: str) -> str | None:
    """The label that a word stands for, or None."""
    word = written.casefold()
    if word in known_labels():
        return word
    for label, words in settings()["label_words"].items():
        if word in words:
            return str(label)
    return None


def _check_enough(manifest: Path, rows: Sequence[Row], faults: Sequence[RowFault]) -> None:
    """Raises `ManifestError` where the rows hold fewer than two labels or two speakers."""
    short = [
        f"all rows: {kind} must take two values or more, for one can be neither learnt nor tested"
        for kind in ("label", "speaker")
        if len({getattr(row, kind) for row in rows}) < 2
    ]
    if short:
        shown = [str(fault) for fault in faults[:_FAULTS_SHOWN]]
        if len(faults) > _FAULTS_SHOWN:
            shown.append(f"and {len(faults) - _FAULTS_SHOWN} rows more at fault")
        raise ManifestError("\n".join(f"{manifest}: {line}" for line in [*shown, *short]), faults)


def load_corpus(manifest: Path, progress: Callable[[int, int], None] | None = None) -> Corpus:
    """Decode every recording of a manifest to 8 kHz and describe its voice.

    Args:
        progress: called with (done, total) after each recording.

    Raises:
        ManifestError: as `read_manifest`, after leaving out what cannot be decoded too.
    """
    from threadpoolctl import threadpool_limits

    from ml.audio.decode import UnreadableAudio, decode

    rows, faults = read_manifest(manifest)
    # Tables are made at the first call; that is start-up, not speed.
    describe(np.sin(np.arange(8000, dtype=np.float32) * 0.1))
    stretches: list[Stretch] = []
    copies: list[dict[str, Stretch]] = []
    kept: list[Row] = []
    digests: list[str] = []
    variants = settings()["augmentation"]["variants"]
    per_row = settings()["augmentation"]["maximum_stretches"] // len(rows) - 1
    per_row = min(max(1, per_row), len(variants))
    audio_seconds = feature_seconds = 0.0
    # One thread: the speed is a core's, and the same bits come out every time.
    with threadpool_limits(1):
        for done, row in enumerate(rows, start=1):
            try:
                recording = decode(row.path)
                signal = one_channel(recording.signal)
                started = time.process_time()
                stretches.append(describe(signal))
                feature_seconds += time.process_time() - started
                audio_seconds += len(signal) / features.SAMPLING_RATE
                # Where not every recording gets every variant, the variants take turns.
                chosen = [list(variants)[(done + turn) % len(variants)] for turn in range(per_row)]
                copies.append(
                    _copies(signal, {name: variants[name] for name in chosen}, row.number)
                )
                digests.append(hashlib.sha256(signal.tobytes()).hexdigest()[:8])
                kept.append(row)
            except (UnreadableAudio, OSError) as error:
                rule = f"{row.path.name}: not readable: {error}"
                faults.append(RowFault(row.number, row.path.name, rule))
            except NoVoiceError as error:
                faults.append(RowFault(row.number, row.path.name, f"{row.path.name}: {error}"))
            if progress is not None:
                progress(done, len(rows))
    faults.sort(key=lambda fault: fault.row)
    _check_enough(manifest, kept, faults)
    return Corpus(
        stretches,
        copies,
        np.array([row.label for row in kept]),
        np.array([row.speaker for row in kept]),
        kept,
        faults,
        digests,
        audio_seconds,
        feature_seconds,
    )


def one_channel(signal: Array) -> Array:
    """The mean of the channels, or the louder one where they cancel each other out."""
    mean: Array = signal.mean(axis=0)
    power = (signal**2).mean(axis=1)
    if len(signal) > 1 and float((mean**2).mean()) < 0.05 * float(power.max()):
        louder: Array = signal[int(power.argmax())]
        return louder
    return mean


class NoVoiceError(ValueError):
    """There is no voice to describe."""


def describe(signal: Array) -> Stretch:
    """One utterance as a stretch, float32 (samples,) at 8 kHz.

    A voice too hoarse, whispered or noisy for pitch is described by its loud frames instead: a
    labelled utterance is speech, whatever the pitch tracker says.

    Raises:
        NoVoiceError: shorter than 0.2 s, or silent.
    """
    frames = features.frames_of(signal)
    if frames.voiced_seconds < 0.2:
        loud = frames.level_db > -20
        if len(signal) == 0 or float(np.ptp(signal)) < 2e-4 or loud.sum() < 15:
            raise NoVoiceError("no voice in it")
        frames = features.Frames(frames.values, loud, frames.level_db)
    return stretch_of(frames)


def _copies(signal: Array, variants: dict[str, Any], seed: int) -> dict[str, Stretch]:
    """The variants of one recording; one whose voice is lost in it is left out."""
    copies = {}
    for name, variant in variants.items():
        try:
            copies[name] = describe(vary(signal, variant, seed))
        except NoVoiceError:
            continue
    return copies


def stretch_of(frames: features.Frames) -> Stretch:
    """Frames of one speaker as a stretch.

    Raises:
        ValueError: fewer than ten voiced frames.
    """
    movement = features.slopes(frames.values)
    return Stretch(
        functionals=features.functionals(frames),
        frames=np.concatenate([frames.values, movement], axis=1)[frames.voiced],
        seconds=frames.voiced_seconds,
    )


def against_own_voice(stretches: Sequence[Stretch], speakers: NDArray[np.str_]) -> list[Stretch]:
    """Every stretch in units of its own speaker's mean and spread; no label is looked at."""
    result = list(stretches)
    for speaker in np.unique(speakers):
        places = np.flatnonzero(speakers == speaker).tolist()
        vectors = np.stack([stretches[place].functionals for place in places])
        frames = np.concatenate([stretches[place].frames for place in places])
        centre, spread = vectors.mean(axis=0), vectors.std(axis=0)
        frame_centre, frame_spread = frames.mean(axis=0), frames.std(axis=0)
        # One recording has no spread of its own: it is its own mean, and says nothing.
        spread = np.where(spread < 1e-6, np.float32(1), spread)
        frame_spread = np.where(frame_spread < 1e-6, np.float32(1), frame_spread)
        for place in places:
            result[place] = Stretch(
                ((stretches[place].functionals - centre) / spread).astype(np.float32),
                ((stretches[place].frames - frame_centre) / frame_spread).astype(np.float32),
                stretches[place].seconds,
            )
    return result
