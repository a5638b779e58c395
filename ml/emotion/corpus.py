"""Labelled recordings named by a manifest → stretches of speech ready for a family.

A manifest is a UTF-8 CSV file with the columns `path,speaker,label` (others are passed over);
paths are relative to the manifest. What is wrong with the manifest itself refuses it whole, every
fault with its row; a recording that cannot be decoded or holds no voice is left out and named.
"""

from __future__ import annotations

import csv
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


class ManifestError(ValueError):
    """The manifest breaks a rule; the message names file, row and rule, one fault a line."""


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
    `skipped` names what was left out and why; `audio_seconds` and `feature_seconds` (processor
    time) give the speed of the features alone, decoding apart.
    """

    stretches: list[Stretch]
    copies: list[dict[str, Stretch]]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    rows: list[Row]
    skipped: list[str]
    audio_seconds: float
    feature_seconds: float

    @property
    def realtime_factor(self) -> float:
        return self.audio_seconds / max(self.feature_seconds, 1e-9)


def read_manifest(manifest: Path) -> list[Row]:
    """The rows of a manifest.

    Raises:
        ManifestError: not readable as UTF-8 CSV, a missing column, an empty field, a label that
            is none of the four, a file that is not there, a path named twice, no rows, fewer than
            two labels or two speakers.
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
    rows: list[Row] = []
    faults: list[str] = []
    seen: dict[Path, int] = {}
    for number, line in lines:
        if None in line:
            faults.append(f"row {number}: more fields than the header has")
            continue
        field = {name: (line[name] or "").strip() for name in _COLUMNS}
        empty = [name for name in _COLUMNS if not field[name]]
        if empty:
            faults.append(f"row {number}: {', '.join(empty)} must not be empty")
            continue
        path = manifest.parent / field["path"]
        if field["label"] not in known_labels():
            faults.append(
                f"row {number}: label {field['label']!r} is none of {', '.join(known_labels())}"
            )
        elif path in seen:
            faults.append(f"row {number}: path {field['path']} stands in row {seen[path]} already")
        elif not path.is_file():
            faults.append(f"row {number}: path {field['path']}: no such file")
        else:
            seen[path] = number
            rows.append(Row(number, path, field["speaker"], field["label"]))
    if not lines:
        faults.append("row 2: no recording is named")
    elif not faults:
        faults += _too_few(rows)
    if faults:
        shown = [f"{manifest}: {fault}" for fault in faults[:_FAULTS_SHOWN]]
        if len(faults) > _FAULTS_SHOWN:
            shown.append(f"{manifest}: and {len(faults) - _FAULTS_SHOWN} faults more")
        raise ManifestError("\n".join(shown))
    return rows


def _too_few(rows: Sequence[Row]) -> list[str]:
    return [
        f"all rows: {kind} must take two values or more, for one can be neither learnt nor tested"
        for kind in ("label", "speaker")
        if len({getattr(row, kind) for row in rows}) < 2
    ]


def load_corpus(manifest: Path, progress: Callable[[int, int], None] | None = None) -> Corpus:
    """Decode every recording of a manifest to 8 kHz and describe its voice.

    Args:
        progress: called with (done, total) after each recording.

    Raises:
        ManifestError: as `read_manifest`; also when what is left after leaving out unreadable
            recordings holds fewer than two labels or speakers.
    """
    from threadpoolctl import threadpool_limits

    from ml.audio.decode import UnreadableAudio, decode

    rows = read_manifest(manifest)
    # Tables are made at the first call; that is start-up, not speed.
    describe(np.sin(np.arange(8000, dtype=np.float32) * 0.1))
    stretches, copies, kept, skipped = [], [], [], []
    variants = settings()["augmentation"]["variants"]
    per_row = settings()["augmentation"]["maximum_stretches"] // len(rows) - 1
    per_row = min(max(1, per_row), len(variants))
    audio_seconds = feature_seconds = 0.0
    # One thread: the speed is a core's, and the same bits come out every time.
    with threadpool_limits(1):
        for done, row in enumerate(rows, start=1):
            try:
                signal = decode(row.path).signal.mean(axis=0)
                started = time.process_time()
                stretches.append(describe(signal))
                feature_seconds += time.process_time() - started
                audio_seconds += len(signal) / features.SAMPLING_RATE
                # Where not every recording gets every variant, the variants take turns.
                chosen = [list(variants)[(done + turn) % len(variants)] for turn in range(per_row)]
                copies.append(
                    _copies(signal, {name: variants[name] for name in chosen}, row.number)
                )
                kept.append(row)
            except (UnreadableAudio, OSError) as error:
                skipped.append(
                    f"{manifest}: row {row.number}: {row.path.name}: not readable: {error}"
                )
            except NoVoiceError as error:
                skipped.append(f"{manifest}: row {row.number}: {row.path.name}: {error}")
            if progress is not None:
                progress(done, len(rows))
    faults = _too_few(kept)
    if faults:
        raise ManifestError("\n".join([*skipped, *(f"{manifest}: {fault}" for fault in faults)]))
    return Corpus(
        stretches,
        copies,
        np.array([row.label for row in kept]),
        np.array([row.speaker for row in kept]),
        kept,
        skipped,
        audio_seconds,
        feature_seconds,
    )


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
