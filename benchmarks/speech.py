"""Voice activity and two-speaker separation beside webrtcvad and silero.

Data: a real telephone dialogue with the speakers' times (30 s), real single speakers in five
languages, acted German sentences set apart by known pauses, made dialogues in seven languages; each
as it is and through what a telephone does to it (noise at 20 to 0 dB, A-law, GSM, -40 dBFS); and
sounds that are no speech. References of what is not labelled by hand come from the clean signal's
level, before anything is done to it.
Measure: detection error rate, (missed + falsely found) / labelled speech, pauses below 0.3 s counted
as speech as NIST does, with no collar and with 0.25 s around every boundary left out. Separation:
diarisation error rate with the same collars, overlap included, under the better of both ways to name
the two voices, beside the chance level (all speech is one speaker).
Peers: webrtcvad in its four modes, raw and smoothed to the same 0.3 s; silero with its authors'
defaults, raw and smoothed. Each peer is given its best mode and form, chosen after the fact.
Goal: an error no higher than the best peer's, over all telephone conditions together.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import frame

OPTIONS = {
    "data": "folder that holds landing/ and emotion/ (default: $CALLMART_TEST_DATA)",
    "seconds": "of acted speech a speaker (default 40)",
    "speakers": "acted speakers, separated by commas (default: all)",
    "peers": "no: leave the peers out",
}
RATE = 8000
STEP = RATE // 100
Signal = NDArray[np.float32]
Mask = NDArray[np.bool_]
_PAUSE = 0.3  # NIST RT: a shorter pause does not end a segment
_SPEECH_BELOW_PEAK_DB = 30.0


@dataclass(frozen=True)
class Sample:
    """One channel with its truth by 10 ms."""

    data: str
    condition: str
    signal: Signal
    truth: Mask


def run(options: dict[str, str]) -> dict[str, Any]:
    """Measure voice activity and separation; see the module's docstring."""
    began = time.perf_counter()
    root = _root(options)
    seconds = float(options.get("seconds", "40"))
    wanted = options.get("speakers", "")
    samples = list(all_samples(root, seconds, wanted.split(",") if wanted else []))
    own, own_seconds = detect(samples)
    peers: dict[str, list[Mask]] = {}
    peer_seconds: dict[str, float] = {}
    if options.get("peers") != "no":
        peers, peer_seconds = detect_by_peers(samples)
    forms = {"callmart": own, **peers}
    table = {name: _score(samples, found) for name, found in forms.items()}
    audio = sum(len(sample.signal) for sample in samples) / RATE
    best = min(
        (name for name in table if name != "callmart"),
        default=None,
        key=lambda n: table[n]["all"]["error"],
    )
    ours = table["callmart"]["all"]["error"]
    return {
        "name": "speech",
        "n": len(samples),
        "seconds": time.perf_counter() - began,
        "peer": best or "none",
        "ratio": ours / table[best]["all"]["error"] if best else None,
        "goal": "detection error no higher than the best peer's (ratio ≤ 1)",
        "error": ours,
        "realtime_factor": audio / own_seconds,
        "best_peer_error": table[best]["all"]["error"] if best else None,
        "error_collar": table["callmart"]["all"]["error_collar"],
        "detection": table,
        "separation": separate(root),
        "realtime_factors": {name: audio / spent for name, spent in peer_seconds.items()},
    }


def _root(options: dict[str, str]) -> Path:
    given = options.get("data") or os.environ.get("CALLMART_TEST_DATA", "")
    if not given or not Path(given).is_dir():
        raise frame.BenchmarkError(
            "no recordings: give -o data=FOLDER or set CALLMART_TEST_DATA to the folder "
            "that holds landing/ and emotion/"
        )
    return Path(given)


# --- recordings -------------------------------------------------------------------------------


def all_samples(root: Path, seconds: float, speakers: list[str]) -> Iterator[Sample]:
    """Every talk in every condition, and the sounds that are no speech."""
    talks = [
        ("dialogue", *phone_talk(root)),
        *(("single", *talk) for talk in single_speakers(root)),
        *(("acted", *talk) for talk in acted_speakers(root, seconds, speakers)),
        *(("made", *talk) for talk in made_talks()),
    ]
    for index, (data, signal, truth) in enumerate(talks):
        random = np.random.default_rng(index)
        for name, change in CONDITIONS.items():
            yield Sample(data, name, change(signal, truth, random), truth)
    for name, signal in no_speech(root):
        yield Sample("no speech", name, signal, np.zeros(len(signal) // STEP, dtype=bool))


def phone_talk(root: Path) -> tuple[Signal, Mask]:
    """The labelled dialogue: mono, two speakers who hardly ever talk at once."""
    import json

    (path,) = (root / "landing" / "transcripts").rglob("7f3a9c52e1b04d*.json")
    (sound,) = (root / "landing" / "recordings").rglob("7f3a9c52e1b04d*.wav")
    signal = read(sound)
    truth = np.zeros(len(signal) // STEP, dtype=bool)
    for segment in json.loads(path.read_text(encoding="utf-8"))["segments"]:
        truth[segment["start_ms"] // 10 : segment["end_ms"] // 10] = True
    return at_level(signal, truth, -22.0), close(truth)


def single_speakers(root: Path) -> Iterator[tuple[Signal, Mask]]:
    """Chinese (2), English, Korean: real, at 8 kHz, with a floor far below the voice."""
    for call in ("0001", "0002", "0012", "0015"):
        (path,) = (root / "landing" / "recordings").rglob(f"C-20261118-{call}.wav")
        signal = read(path)
        truth = truth_of(signal)
        yield at_level(signal, truth, -22.0), truth


def acted_speakers(root: Path, seconds: float, wanted: list[str]) -> Iterator[tuple[Signal, Mask]]:
    """Sentences of each speaker with pauses of 0.4 to 3 s between them."""
    import csv

    folder = root / "emotion" / "emodb_de"
    by_speaker: dict[str, list[Path]] = defaultdict(list)
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            by_speaker[row["speaker"]].append(folder / row["path"])
    for speaker, paths in sorted(by_speaker.items()):
        if wanted and speaker not in wanted:
            continue
        random = np.random.default_rng(int(speaker))
        pieces, length = [_quiet(random, 0.7)], 0.7
        for index in random.permutation(len(paths)):
            sentence = read(paths[index])
            pieces += [at_level(sentence, truth_of(sentence), -22.0), _quiet(random)]
            length += (len(pieces[-1]) + len(pieces[-2])) / RATE
            if length > seconds:
                break
        signal = np.concatenate(pieces)
        yield signal, truth_of(signal)


def made_talks() -> Iterator[tuple[Signal, Mask]]:
    """One side of a made dialogue in each of seven languages: sentences and single words."""
    from callmart.local.speech import Voice, synthesiser

    texts = {
        Voice("cmn+f2", 165, 60, 55): (
            "喂，你好。",
            "我现在不太方便，你晚一点再打过来吧。",
            "好的。",
            "这个一个月要多少钱？",
        ),
        Voice("cmn+m3", 175, 45, 50): (
            "嗯。",
            "请问您是哪位？我没有申请过贷款。",
            "不需要，谢谢。",
            "你们公司在哪里？",
        ),
        Voice("en-us+m3", 160, 40, 45): (
            "Yes.",
            "I am afraid this is not a good time to talk.",
            "Okay.",
            "How much would that be per month?",
        ),
        Voice("en-gb-x-rp+f4", 170, 60, 50): (
            "Hello?",
            "No.",
            "Could you send me the details in writing, please?",
            "Bye.",
        ),
        Voice("de+m2", 165, 35, 45): (
            "Ja, bitte?",
            "Das muss ich erst mit meiner Frau besprechen.",
            "Nein.",
            "Auf Wiederhören.",
        ),
        Voice("es+f3", 170, 60, 60): (
            "¿Diga?",
            "Ahora mismo no puedo hablar, llámeme por la tarde.",
            "Sí.",
            "¿Cuánto cuesta?",
        ),
        Voice("fr+m4", 165, 45, 50): (
            "Allô ?",
            "Je ne suis pas intéressé, merci beaucoup.",
            "Oui.",
            "C'est trop cher pour moi.",
        ),
    }
    for index, (voice, lines) in enumerate(texts.items()):
        random = np.random.default_rng(100 + index)
        pieces = [_quiet(random)]
        for line in lines:
            said = synthesiser().say(line, voice).signal
            pieces += [at_level(said, truth_of(said), -22.0), _quiet(random)]
        signal = np.concatenate(pieces)
        yield signal, truth_of(signal)


def no_speech(root: Path) -> Iterator[tuple[str, Signal]]:
    """Sounds of a call that nobody says."""
    random = np.random.default_rng(7)
    seconds = 20.0
    count = round(seconds * RATE)
    at = np.arange(count) / RATE
    yield "noise -30", _with_noise(np.zeros(count, np.float32), random, -30.0)
    yield "noise -50", _with_noise(np.zeros(count, np.float32), random, -50.0)
    hum = sum(np.sin(2 * np.pi * 50 * k * at) / k for k in (1, 2, 3, 5)) * 0.03
    yield "hum", _with_noise(np.asarray(hum, dtype=np.float32), random, -60.0)
    for name, hz, on, off in (("ring", (440.0, 480.0), 2.0, 4.0), ("busy", (425.0,), 0.48, 0.48)):
        tone = sum(np.sin(2 * np.pi * f * at) for f in hz) * 0.1 * ((at % (on + off)) < on)
        yield name, _with_noise(np.asarray(tone, dtype=np.float32), random, -60.0)
    pops = _with_noise(np.zeros(count, np.float32), random, -62.0)
    for start in random.integers(0, count - 400, 25):
        length = int(random.integers(8, 200))
        pops[start : start + length] += (
            random.uniform(0.05, 0.5)
            * random.standard_normal(length)
            * np.exp(-np.arange(length) / 30)
        ).astype(np.float32)
    yield "clicks", pops
    breath = _with_noise(np.zeros(count, np.float32), random, -62.0)
    for start in range(RATE, count - RATE, 2 * RATE):
        length = int(random.integers(2400, 7200))
        shape = np.hanning(length) * random.uniform(0.004, 0.02)
        breath[start : start + length] += (shape * _coloured(random, length)).astype(np.float32)
    yield "breath", breath
    (music,) = (root / "landing" / "recordings").rglob("C-20261118-0013.wav")
    yield "music", read(music, channel=1)[: 60 * RATE]


def read(path: Path, channel: int = 0) -> Signal:
    """One channel of a file at 8 kHz."""
    from ml.audio.decode import decode

    signal: Signal = decode(path).signal
    one: Signal = signal[min(channel, len(signal) - 1)]
    return one


def truth_of(clean: Signal) -> Mask:
    """Speech of a clean recording by its level in the telephone's band, by 10 ms."""
    import scipy.signal

    band = scipy.signal.butter(4, (200, 3600), "bandpass", fs=RATE, output="sos")
    heard = scipy.signal.sosfiltfilt(band, clean.astype(np.float64))
    count = len(clean) // STEP
    power = (heard[: count * STEP].reshape(count, STEP) ** 2).mean(axis=1)
    level = 10 * np.log10(power + 1e-12)
    loud = level > np.percentile(level, 95) - _SPEECH_BELOW_PEAK_DB
    return close(_without_short(loud, 4))


def close(mask: Mask, seconds: float = _PAUSE) -> Mask:
    """Pauses shorter than `seconds` filled."""
    filled = mask.copy()
    for first, last in _runs(~mask):
        if first > 0 and last < len(mask) and last - first < seconds * 100:
            filled[first:last] = True
    return filled


def _without_short(mask: Mask, count: int) -> Mask:
    kept = mask.copy()
    for first, last in _runs(mask):
        if last - first < count:
            kept[first:last] = False
    return kept


def _runs(mask: Mask) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def at_level(signal: Signal, truth: Mask, level: float) -> Signal:
    """The signal scaled so that its speech has `level` dBFS."""
    speech = np.repeat(truth, STEP)
    power = float(np.mean(signal[: len(speech)][speech].astype(np.float64) ** 2))
    scaled: Signal = (signal * (10 ** (level / 20) / np.sqrt(power + 1e-15))).astype(np.float32)
    return scaled


def _quiet(random: np.random.Generator, seconds: float | None = None) -> Signal:
    length = seconds if seconds is not None else float(random.uniform(0.4, 3.0))
    return np.zeros(round(length * RATE), dtype=np.float32)


def _coloured(random: np.random.Generator, count: int) -> Signal:
    """Noise of a room or a street: 3 dB less an octave, standard deviation 1."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), len(spectrum) / 80))
    wave = np.fft.irfft(spectrum, count)
    scaled: Signal = (wave / wave.std()).astype(np.float32)
    return scaled


def _with_noise(
    signal: Signal, random: np.random.Generator, level: float, coloured: bool = False
) -> Signal:
    wave = _coloured(random, len(signal)) if coloured else random.standard_normal(len(signal))
    noisy: Signal = (signal + 10 ** (level / 20) * wave).astype(np.float32)
    return noisy


def coded(signal: Signal, subtype: str) -> Signal:
    """Through a codec and back; the same length."""
    import soundfile

    buffer = io.BytesIO()
    container = "MP3" if subtype.startswith("MPEG") else "WAV"
    soundfile.write(buffer, np.clip(signal, -1, 1), RATE, subtype=subtype, format=container)
    buffer.seek(0)
    back, _ = soundfile.read(buffer, dtype="float32")
    padded = np.zeros(len(signal), dtype=np.float32)
    padded[: min(len(back), len(signal))] = back[: len(signal)]
    return padded


_Change = Callable[[Signal, Mask, np.random.Generator], Signal]
CONDITIONS: dict[str, _Change] = {
    "as is": lambda s, _, r: _with_noise(s, r, -68.0),
    "noise 20 dB": lambda s, _, r: _with_noise(s, r, -42.0, coloured=True),
    "noise 10 dB": lambda s, _, r: _with_noise(s, r, -32.0, coloured=True),
    "white noise 10 dB": lambda s, _, r: _with_noise(s, r, -32.0),
    "noise 5 dB": lambda s, _, r: _with_noise(s, r, -27.0, coloured=True),
    "noise 0 dB": lambda s, _, r: _with_noise(s, r, -22.0, coloured=True),
    "A-law": lambda s, _, r: coded(_with_noise(s, r, -60.0), "ALAW"),
    "GSM": lambda s, _, r: coded(_with_noise(s, r, -60.0), "GSM610"),
    "quiet, A-law": lambda s, t, r: coded(_with_noise(at_level(s, t, -40.0), r, -66.0), "ALAW"),
}
"""What a telephone does to speech at -22 dBFS; SNR against the level of the speech."""


# --- detectors --------------------------------------------------------------------------------


def detect(samples: list[Sample]) -> tuple[list[Mask], float]:
    """callmart's own decisions by 10 ms, and the seconds of processing time they took."""
    from ml.audio.decode import Recording

    _hear(_recording(samples[0].signal, Recording))
    began = time.process_time()
    found = []
    for sample in samples:
        _, speech = _hear(_recording(sample.signal, Recording))
        found.append(_mask(speech, len(sample.truth)))
    return found, time.process_time() - began


def _hear(recording: Any) -> tuple[Any, list[tuple[float, float]]]:
    """Frames and speech of one channel, the tones of the network taken out as in a call."""
    from ml.audio.activity import find_activity
    from ml.audio.spectrum import compute_frames
    from ml.connection.tones import find_tones, read_tones

    (frames,), _ = compute_frames(recording)
    tones = find_tones(frames, recording.samples[0])
    signals = read_tones(tones, recording.duration_seconds)
    blocked = [(tone.start, tone.end) for signal in signals for tone in signal.tones]
    return frames, find_activity(frames, blocked).speech


def _recording(signal: Signal, kind: Any) -> Any:
    return kind(_pcm(signal)[None], "pcm_s16le", RATE, 1)


def _pcm(signal: Signal) -> NDArray[np.int16]:
    return np.round(np.clip(signal, -1, 0.99996) * 32768).astype(np.int16)


def _mask(spans: list[tuple[float, float]], count: int) -> Mask:
    mask = np.zeros(count, dtype=bool)
    for start, end in spans:
        mask[round(start * 100) : round(end * 100)] = True
    return mask


def detect_by_peers(samples: list[Sample]) -> tuple[dict[str, list[Mask]], dict[str, float]]:
    """The peers' decisions by 10 ms, raw and smoothed, and the seconds each took."""
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "given.npz", Path(folder) / "found.npz"
        arrays: dict[str, Any] = {str(i): _pcm(s.signal) for i, s in enumerate(samples)}
        np.savez(given, **arrays)
        seconds: dict[str, float] = frame.call_peer("activity.py", [str(given), str(taken)])
        with np.load(taken) as found:
            raw = {
                name: [
                    _fitted(found[f"{index}/{name}"], len(sample.truth))
                    for index, sample in enumerate(samples)
                ]
                for name in seconds
            }
    smoothed = {
        f"{name}, smoothed": [close(_without_short(mask, 10)) for mask in masks]
        for name, masks in raw.items()
    }
    return raw | smoothed, seconds


def _fitted(decisions: NDArray[np.uint8], count: int) -> Mask:
    mask = np.zeros(count, dtype=bool)
    mask[: min(count, len(decisions))] = decisions[:count] > 0
    return mask


# --- separation --------------------------------------------------------------------------------


def separate(root: Path) -> dict[str, dict[str, Any]]:
    """Diarisation of the labelled dialogue, and of real calls whose two channels are added up."""
    from ml.audio.decode import Recording
    from ml.audio.speakers import separate_speakers

    found = {}
    for name, signal, truth in _dialogues(root):
        recording = _recording(signal, Recording)
        frames, speech = _hear(recording)
        result = separate_speakers(recording.samples[0], frames, speech)
        count = truth.shape[1]
        everything = _mask(speech, count)
        one = np.stack([everything, np.zeros(count, dtype=bool)])
        rates = {"one_speaker": _diarisation_error(truth, one, 0.0)}
        rates["one_speaker_collar"] = _diarisation_error(truth, one, 0.25)
        if result is not None:
            voices = np.stack([_mask(spans, count) for spans in result.voices])
            rates["error"] = _diarisation_error(truth, voices, 0.0)
            rates["error_collar"] = _diarisation_error(truth, voices, 0.25)
            rates |= result.as_dict()
        found[name] = rates
    return found


def _dialogues(root: Path) -> Iterator[tuple[str, Signal, Mask]]:
    """Name, mono signal and the truth of both sides, shape (2, frames)."""
    import json

    (path,) = (root / "landing" / "transcripts").rglob("7f3a9c52e1b04d*.json")
    signal, _ = phone_talk(root)
    truth = np.zeros((2, len(signal) // STEP), dtype=bool)
    for segment in json.loads(path.read_text(encoding="utf-8"))["segments"]:
        side = int(segment["role"] == "customer")
        truth[side, segment["start_ms"] // 10 : segment["end_ms"] // 10] = True
    yield "labelled dialogue", signal, truth
    recordings = root / "landing" / "recordings"
    (stereo,) = recordings.rglob("C-20261118-0040.wav")
    pairs = {
        "call 4021": [
            read(next(recordings.rglob(f"*4021.{s}.wav"))) for s in ("agent", "customer")
        ],
        "call 0040": [read(stereo, channel) for channel in (0, 1)],
    }
    for name, channels in pairs.items():
        count = min(len(channel) for channel in channels)
        sides = [channel[:count] for channel in channels]
        mixed: Signal = sides[0] + sides[1]
        yield name, mixed, np.stack([truth_of(side) for side in sides])


def _diarisation_error(truth: Mask, voices: Mask, collar: float) -> float:
    """NIST's: of both ways to name the voices the better one."""
    kept = np.ones(truth.shape[1], dtype=bool)
    if collar:
        for side in truth:
            kept &= _outside_collar(side, collar)
    spoken = truth.sum(axis=0)
    errors = []
    for named in (voices, voices[::-1]):
        right = (truth & named).sum(axis=0)
        errors.append(int((np.maximum(spoken, named.sum(axis=0)) - right)[kept].sum()))
    return min(errors) / max(1, int(spoken[kept].sum()))


# --- measures ---------------------------------------------------------------------------------


def _score(samples: list[Sample], found: list[Mask]) -> dict[str, dict[str, float]]:
    """Error rates over all, by data and by condition; false alarms where nobody speaks."""
    groups: dict[str, list[tuple[Mask, Mask]]] = defaultdict(list)
    for sample, mask in zip(samples, found, strict=True):
        if sample.truth.any():
            for group in ("all", sample.data, sample.condition):
                groups[group].append((sample.truth, mask))
        else:
            groups[f"{sample.data}: {sample.condition}"].append((sample.truth, mask))
            groups["no speech"].append((sample.truth, mask))
    return {group: _rates(pairs) for group, pairs in groups.items()}


def _rates(pairs: list[tuple[Mask, Mask]]) -> dict[str, float]:
    speech = sum(int(truth.sum()) for truth, _ in pairs)
    if speech == 0:
        frames = sum(len(truth) for truth, _ in pairs)
        return {"false_alarm_share": sum(int(mask.sum()) for _, mask in pairs) / frames}
    rates = {
        "miss": sum(int((t & ~m).sum()) for t, m in pairs) / speech,
        "false_alarm": sum(int((~t & m).sum()) for t, m in pairs) / speech,
    }
    rates["error"] = rates["miss"] + rates["false_alarm"]
    kept = [(t, m, _outside_collar(t)) for t, m in pairs]
    judged = sum(int((t & k).sum()) for t, _, k in kept)
    rates["error_collar"] = sum(int(((t != m) & k).sum()) for t, m, k in kept) / max(1, judged)
    return rates


def _outside_collar(truth: Mask, seconds: float = 0.25) -> Mask:
    kept = np.ones(len(truth), dtype=bool)
    width = round(seconds * 100)
    for edge in (np.flatnonzero(np.diff(truth.astype(np.int8))) + 1).tolist():
        kept[max(0, edge - width) : edge + width] = False
    return kept
