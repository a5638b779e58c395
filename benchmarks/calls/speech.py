"""Where the voices, the music and the noises of living beings in the recordings come from.

`SyntheticSpeech` speaks the texts of texts.yaml by espeak-ng and is always there. `RecordedSpeech`
reads a folder of real recordings with a manifest. Both give `Clip`s by kind; each holds one half of
the material (`a`: development, `b`: held out), which share no voice, no text and no piece of music.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from benchmarks.calls import sounds
from benchmarks.calls.sounds import RATE, Random, Signal

_TEXTS = Path(__file__).with_name("texts.yaml")

PERSON_KINDS = ("word", "greeting", "customer", "agent", "hello")
MACHINE_KINDS = ("voicemail", "carrier", "ivr", "queue", "advert", "announcement")


@dataclass(frozen=True)
class Clip:
    """One utterance: `signal` float32 at `sounds.RATE`, no silence at its ends."""

    signal: Signal
    is_real: bool
    outcome: str | None = None
    """What an announcement says has become of the call; None for everything else."""


class SpeechSource(Protocol):
    """Gives clips. A speaker is opaque and belongs to one language."""

    def languages(self) -> list[str]:
        """Languages in which two people can talk."""

    def speakers(self, language: str, random: Random) -> tuple[str, str]:
        """Two different speakers (agent, customer)."""

    def clip(self, kind: str, language: str, speaker: str, random: Random) -> Clip:
        """One utterance of a kind of `PERSON_KINDS` by that speaker, or of `MACHINE_KINDS`."""

    def music(self, seconds: float, random: Random) -> Signal:
        """A piece of music, peak 1."""

    def creature(self, random: Random) -> Signal:
        """A sound of an animal or a baby, peak 1."""


@cache
def _texts(half: str) -> dict[str, Any]:
    with _TEXTS.open(encoding="utf-8") as file:
        texts: dict[str, Any] = yaml.safe_load(file)[half]
    return texts


class SyntheticSpeech:
    """espeak-ng's voices over one half of texts.yaml.

    Args:
        half: `a` or `b`.
    """

    def __init__(self, half: str) -> None:
        self._texts = _texts(half)
        self._main = [name for name, entry in self._texts.items() if "voicemail" in entry]

    def languages(self) -> list[str]:
        # The Chinese calls weigh as much as all the others of one tongue together.
        return [*self._texts, *["zh"] * (len(self._texts) // 3)]

    def speakers(self, language: str, random: Random) -> tuple[str, str]:
        voices = self._texts[language]["voices"]
        first, second = random.choice(len(voices), 2, replace=False)
        rate = self._texts[language]["rate"]
        made = [
            f"{voices[place]}|{round(rate * random.uniform(0.85, 1.15))}|{random.integers(30, 70)}"
            for place in (first, second)
        ]
        return made[0], made[1]

    def clip(self, kind: str, language: str, speaker: str, random: Random) -> Clip:
        entry = self._texts[language]
        if kind not in entry:
            entry = self._texts["zh" if language == "yue" else "en"]
            speaker = "|".join([entry["voices"][0], *speaker.split("|")[1:]])
        texts, outcome = entry[kind], None
        if kind == "announcement":
            outcome = str(random.choice(sorted(texts)))
            texts = texts[outcome]
        text = texts[int(random.integers(len(texts)))]
        return Clip(self._say(text, speaker, random), False, outcome)

    def _say(self, text: str, speaker: str, random: Random) -> Signal:
        from scipy.signal import resample_poly

        from callmart.local.speech import Voice, synthesiser

        name, rate, pitch = speaker.split("|")
        voice = Voice(name, int(rate), int(pitch), int(random.integers(30, 80)))
        said = synthesiser().say(text, voice)
        signal: Signal = resample_poly(said.signal, RATE, said.sampling_rate).astype(np.float32)
        return signal

    def music(self, seconds: float, random: Random) -> Signal:
        return sounds.tune(random, seconds)

    def creature(self, random: Random) -> Signal:
        return sounds.bark(random) if random.random() < 0.5 else sounds.cry(random)


@dataclass(frozen=True)
class _Entry:
    path: Path
    seconds: float


class RecordedSpeech:
    """A folder of real recordings.

    `manifest.csv` has the columns `path, speaker, language, kind, part, seconds`; kinds are
    `dialogue` (sentences of a person), `word` (under a second), `syllable` (of Mandarin, joined to
    words and sentences here), `prompt`, `voicemail`, `announcement` (of machines), `music`,
    `effect` (of creatures). What a language lacks is taken from the others or from `fallback`.

    Args:
        folder: holds manifest.csv.
        part: the rows to read: the value of their column `part`.
        fallback: asked for what the folder does not hold.
    """

    def __init__(self, folder: Path, part: str, fallback: SpeechSource) -> None:
        self._fallback = fallback
        by_voice: dict[tuple[str, str, str], list[_Entry]] = defaultdict(list)
        with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["part"] == part:
                    entry = _Entry(folder / row["path"], float(row["seconds"]))
                    by_voice[(row["kind"], row["language"], row["speaker"])].append(entry)
        self._by_voice = {
            key: sorted(found, key=lambda e: e.path.name) for key, found in sorted(by_voice.items())
        }
        self._by_language: dict[tuple[str, str], list[_Entry]] = defaultdict(list)
        for (kind, language, _), entries in self._by_voice.items():
            self._by_language[(kind, language)] += entries
        self._people: dict[str, list[str]] = defaultdict(list)
        for (kind, language, speaker), entries in self._by_voice.items():
            if (kind == "dialogue" and len(entries) >= 5) or kind == "syllable":
                self._people[language].append(speaker)

    def languages(self) -> list[str]:
        found = sorted(self._people)
        # One in five Chinese, and the languages with several actors more often than one reader's.
        many = [name for name in found if len(self._people[name]) > 2]
        return [*found, *many * 3, *["zh"] * (len(found) // 2 if "zh" in found else 0)]

    def speakers(self, language: str, random: Random) -> tuple[str, str]:
        names = self._people[language]
        first = str(names[int(random.integers(len(names)))])
        others = [name for name in names if name != first]
        second = str(others[int(random.integers(len(others)))]) if others else first
        # The same reader on both sides is moved apart in pitch and pace.
        shifts = [random.uniform(0.96, 1.04), random.uniform(0.96, 1.04)]
        if second == first:
            shifts = [random.uniform(0.88, 0.94), random.uniform(1.08, 1.15)]
        return f"{first}|{shifts[0]:.3f}", f"{second}|{shifts[1]:.3f}"

    def clip(self, kind: str, language: str, speaker: str, random: Random) -> Clip:
        if kind in PERSON_KINDS:
            return self._person(kind, language, speaker, random)
        wanted = {"voicemail": "voicemail", "carrier": "voicemail", "announcement": "announcement"}
        folder_kind = wanted.get(kind, "prompt")
        known = sorted({name for k, name in self._by_language if k == folder_kind})
        if kind == "voicemail" and random.random() < 0.5 and language != "zh":
            return self._greeting_of_a_person(language, speaker, random)
        if not known or (language not in known and random.random() < 0.5):
            spoken = language if language in self._fallback.languages() else "en"
            voice = self._fallback.speakers(spoken, random)[0]
            return self._fallback.clip(kind, spoken, voice, random)
        tongue = language if language in known else str(known[int(random.integers(len(known)))])
        voices = [key for key in self._by_voice if key[0] == folder_kind and key[1] == tongue]
        voice_key = voices[int(random.integers(len(voices)))]
        entries = self._by_voice[voice_key]
        lengths = {"ivr": (7.0, 16.0), "queue": (3.0, 7.0), "advert": (3.0, 8.0)}
        least, most = lengths.get(kind, (2.0, 6.0))
        return Clip(
            self._joined(entries, least, most, random),
            True,
            "invalid_number" if kind == "announcement" else None,
        )

    def _person(self, kind: str, language: str, speaker: str, random: Random) -> Clip:
        name, shift = speaker.split("|")
        if ("syllable", language, name) in self._by_voice:
            count = {"word": (1, 3), "greeting": (3, 7), "hello": (2, 5)}.get(kind, (5, 16))
            signal = self._sentence(language, name, int(random.integers(*count)), random)
        else:
            spoken = self._by_voice[("dialogue", language, name)]
            words = (
                self._by_voice.get(("word", language, name))
                or [entry for entry in spoken if entry.seconds < 1.3]
                or self._by_language.get(("word", language))
                or spoken
            )
            limits = {"word": (0.15, 1.3), "greeting": (0.6, 2.4), "hello": (0.5, 2.5)}
            pool = words if kind == "word" else spoken
            least, most = limits.get(kind, (0.8, 14.0))
            fitting = [e for e in pool if least <= e.seconds <= most] or pool
            signal = _load(fitting[int(random.integers(len(fitting)))].path)
        return Clip(sounds.shifted(signal, float(shift)), True)

    def _sentence(self, language: str, name: str, count: int, random: Random) -> Signal:
        """Mandarin syllables of one voice run together, with a phrase break now and then."""
        entries = self._by_voice[("syllable", language, name)]
        joined = np.zeros(0, np.float32)
        pace = random.uniform(1.1, 1.5)
        for index in range(count):
            piece = sounds.shifted(_load(entries[int(random.integers(len(entries)))].path), pace)
            overlap = min(round(0.04 * RATE), len(joined), len(piece))
            if index and random.random() < 0.12:
                joined, overlap = np.concatenate([joined, sounds.silence(0.25)]), 0
            if overlap:
                ramp = np.linspace(0, 1, overlap, dtype=np.float32)
                joined[-overlap:] = joined[-overlap:] * (1 - ramp) + piece[:overlap] * ramp
            joined = np.concatenate([joined, piece[overlap:]])
        return joined

    def _greeting_of_a_person(self, language: str, speaker: str, random: Random) -> Clip:
        """Someone's own voicemail greeting: a monologue of 4 to 10 s."""
        name, shift = speaker.split("|")
        entries = self._by_voice[("dialogue", language, name)]
        signal = self._joined(entries, 4.0, 10.0, random)
        return Clip(sounds.shifted(signal, float(shift)), True)

    def _joined(self, entries: list[_Entry], least: float, most: float, random: Random) -> Signal:
        """Recordings one after another until `least` seconds are there; never over `most` + one."""
        pieces: list[Signal] = []
        seconds = 0.0
        order = random.permutation(len(entries))
        for place in order[:12]:
            entry = entries[int(place)]
            if pieces and seconds + entry.seconds > most:
                continue
            pieces += [_load(entry.path), sounds.silence(random.uniform(0.12, 0.45))]
            seconds += entry.seconds + 0.3
            if seconds >= least:
                break
        return np.concatenate(pieces[:-1])

    def music(self, seconds: float, random: Random) -> Signal:
        entries = self._by_language.get(("music", ""), [])
        if not entries or random.random() < 0.2:
            return self._fallback.music(seconds, random)
        piece = _load(entries[int(random.integers(len(entries)))].path)
        start = int(random.integers(0, max(1, len(piece) - round(seconds * RATE))))
        cut = np.resize(piece[start:], round(seconds * RATE))
        return sounds.at_peak(cut.astype(np.float32), 0.0)

    def creature(self, random: Random) -> Signal:
        entries = self._by_language.get(("effect", ""), [])
        if not entries or random.random() < 0.3:
            return self._fallback.creature(random)
        piece = _load(entries[int(random.integers(len(entries)))].path)
        return sounds.at_peak(piece[: 4 * RATE], 0.0)


def _load(path: Path) -> Signal:
    """A recording at `RATE`, one channel."""
    import soundfile
    from scipy.signal import resample_poly

    read, rate = soundfile.read(path, dtype="float32", always_2d=True)
    signal = read.mean(axis=1)
    if rate != RATE:
        signal = resample_poly(signal, RATE, rate)
    mono: Signal = signal.astype(np.float32)
    return mono
