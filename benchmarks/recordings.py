"""How fast, and in how much memory, `inspect` hears a recording.

Data: made dialogues of one to two minutes (ring tone, two voices in turns, line noise), stereo WAV
at 8 kHz, from a seed; or one's own recordings by `-o data=DIR`. For the memory the same dialogues
one after the other for two hours.
Measure: all of `ml.inspection.inspect_recording` (decoding, connection, speech, emotion), its
processor time on one core, import and first call apart; the best of the repeats, because whatever
else runs on the machine only ever adds. Peak memory of a process that hears the two hours, its
start included.
Peers, in the same run on the same samples: openSMILE eGeMAPSv02 (features alone), librosa's MFCC,
YIN and pYIN, webrtcvad and silero.
Goal: at least 500 times real time on one core, under 400 MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.frame import BenchmarkError, OptionError, call_peer

OPTIONS = {
    "n": "made dialogues; default 12",
    "seed": "of the dialogues; default 1",
    "repeats": "how often each recording is heard; default 5",
    "data": "folder of your own recordings, in place of made ones",
    "hours": "length of the recording for the peak memory; default 2, 0 leaves it out",
    "peers": "no leaves the peers out",
}

_RATE = 8000
_PEER_SECONDS = 300.0  # of sound, a channel: enough for stable figures of the slow ones
_PEAK = """
import resource, sys
from ml.inspection import inspect_recording
inspect_recording(path=sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(options: dict[str, str]) -> dict[str, Any]:
    """Measure; see the module for what is reported."""
    count, seed, repeats = (_whole(options, *item) for item in _NUMBERS)
    hours = float(options.get("hours", "2"))
    files = (
        _read_folder(Path(options["data"])) if "data" in options else _make_dialogues(count, seed)
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, content in files.items():
            paths.append(Path(folder) / name)
            paths[-1].write_bytes(content)
        best, stages, audio = _time_inspection(paths, repeats)
        found: dict[str, Any] = {
            "name": "recordings",
            "n": len(paths),
            "seconds": best,
            "audio_seconds": round(audio, 1),
            "realtime_factor_per_core": audio / best,
            "realtime_factor_without_emotion": audio / (best - stages["emotion"]),
            "peak_memory_mb": _peak_memory(paths, hours, Path(folder)) if hours else None,
            "shares": {
                stage: round(spent / sum(stages.values()), 3) for stage, spent in stages.items()
            },
            "microseconds_by_second": {
                stage: round(spent / audio * 1e6, 1) for stage, spent in stages.items()
            },
        }
        peers = {} if options.get("peers") == "no" else _time_peers(paths, Path(folder))
    found |= {
        "limit": max(stages, key=lambda stage: stages[stage]),
        "peers_realtime_factor": {name: round(factor, 1) for name, factor in peers.items()},
        "peer": "openSMILE eGeMAPSv02, features alone",
        "ratio": found["realtime_factor_per_core"] / peers["openSMILE eGeMAPSv02"]
        if peers
        else None,
        "goal": "≥ 500 × real time a core, ≤ 400 MB",
    }
    return found


_NUMBERS = (("n", 12), ("seed", 1), ("repeats", 5))


def _whole(options: dict[str, str], name: str, default: int) -> int:
    try:
        number = int(options.get(name, default))
    except ValueError as error:
        raise OptionError(f"{name}: {options[name]!r} is no whole number") from error
    if number < 1:
        raise OptionError(f"{name}: {number}; at least 1 is needed")
    return number


def _read_folder(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    if not files:
        raise BenchmarkError(f"{folder} holds no files; -o data=DIR names a folder of recordings")
    return files


def _make_dialogues(count: int, seed: int) -> dict[str, bytes]:
    """Stereo WAV files at 8 kHz, each of at least a minute."""
    from callmart.local import demo_dialogue, demo_sounds

    scripts = demo_dialogue.load("scripts")
    files = {}
    for number in range(count):
        dice = demo_dialogue.Dice(seed * 1000 + number)
        language = ("en", "zh")[number % 2]
        agent, customer = (
            demo_dialogue.make_speaker(dice, language, gender)
            for gender in (("female", "male"), ("male", "female"))[number // 2 % 2]
        )
        ringing = dice.between(4.0, 12.0)
        tone = demo_sounds.cadence((440.0, 480.0), (2000, 4000), ringing)
        parts = [demo_sounds.Part(1, 0.3, tone, demo_sounds.level(-15.0))]
        clock = ringing + 0.3
        while clock < 60.0:
            scene = demo_dialogue.hold_talk(
                dice,
                dice.pick([d for d in scripts["dialogues"] if d["language"] == language]),
                agent=agent,
                customer=customer,
                agent_name=scripts["company"][language],
                product=dice.pick(sorted(scripts["products"])),
                agent_joins=0.5,
                inbound=False,
            ).delayed(clock)
            parts += scene.parts
            clock = scene.seconds
        plan = demo_sounds.RecordingPlan((), "pcm16", False, clock, tuple(parts), seed + number)
        files[f"{number:02d}.wav"] = demo_sounds.encode(demo_sounds.mix(plan), "pcm16")
    return files


def _time_inspection(paths: list[Path], repeats: int) -> tuple[float, dict[str, float], float]:
    """Seconds of processor time of all recordings (each one's best), by stage, and of sound."""
    from ml.inspection import inspect_recording

    audio = best = 0.0
    stages: dict[str, float] = {}
    inspect_recording(path=paths[0])  # models and tables are read once a process
    for path in paths:
        runs = []
        for _ in range(repeats):
            with _timed_stages() as spent:
                began = time.process_time()
                report = inspect_recording(path=path).report
                runs.append((time.process_time() - began, spent))
        if "duration_seconds" not in report:
            raise BenchmarkError(f"{path.name}: {report['reason']}")
        total, spent = min(runs, key=lambda run: run[0])
        audio += report["duration_seconds"]
        best += total
        for stage, seconds in spent.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
        stages["rest"] = stages.get("rest", 0.0) + total - sum(spent.values())
    return best, stages, audio


@contextmanager
def _timed_stages() -> Iterator[dict[str, float]]:
    """Processor time of the stages that run within it; a stage's own, inner ones taken off."""
    from ml import inspection
    from ml.audio import spectrum
    from ml.connection import decision

    places: dict[str, list[tuple[Any, str]]] = {
        "decode": [(inspection, "decode")],
        "spectra": [(spectrum, "_power")],
        "frames": [(decision, "compute_frames")],
        "tones": [(decision, "find_tones"), (decision, "read_tones")],
        "activity": [(decision, "find_activity")],
        "decision": [(inspection, "analyse")],
        "conversation": [(inspection, "describe_conversation")],
        "emotion": [(inspection, "_describe_emotion")],
    }
    spent = dict.fromkeys(places, 0.0)
    running: list[str] = []
    mark = 0.0

    def switch() -> None:
        nonlocal mark
        now = time.process_time()
        if running:
            spent[running[-1]] += now - mark
        mark = now

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            switch()
            running.append(stage)
            try:
                return function(*arguments, **named)
            finally:
                switch()
                running.pop()

        return call

    with ExitStack() as patches:
        for stage, functions in places.items():
            for module, name in functions:
                replaced = timed(stage, getattr(module, name))
                patches.enter_context(mock.patch.object(module, name, replaced))
        yield spent


def _peak_memory(paths: list[Path], hours: float, folder: Path) -> float:
    """MB (10⁶ bytes) at the peak of a process that hears `hours` of sound in one file."""
    from ml.audio import decode

    long = folder / "long.wav"
    wanted = round(hours * 3600 * _RATE)
    with wave.open(str(long), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        while wanted > 0:
            for path in paths:
                samples = decode(path).samples[:, :wanted]
                both = samples if len(samples) == 2 else samples.repeat(2, axis=0)
                file.writeframes(both.T.tobytes())
                wanted -= samples.shape[1]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(long)], capture_output=True, text=True, check=True
    )
    # Linux counts in KiB, macOS in bytes.
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024) / 1e6


def _time_peers(paths: list[Path], folder: Path) -> dict[str, float]:
    """Peer → times real time, on both channels of the same recordings."""
    import librosa
    import numpy as np

    from ml.audio import decode

    signals: dict[str, Any] = {}
    seconds = 0.0
    for path in paths:
        if seconds >= _PEER_SECONDS:
            break
        recording = decode(path)
        seconds += recording.duration_seconds
        for channel, row in enumerate(recording.samples):
            signals[f"{path.stem}.{channel}"] = row
    store = folder / "signals.npz"
    with store.open("wb") as file:
        np.savez(file, **signals)
    sounds = [row.astype(np.float32) / 32768 for row in signals.values()]

    def factor(function: Callable[[Any], Any], share: int = 1) -> float:
        """Every `share`-th signal stands for all."""
        chosen = sounds[::share]
        function(chosen[0][:_RATE])
        began = time.process_time()
        for sound in chosen:
            function(sound)
        part = sum(map(len, chosen)) / sum(map(len, sounds))
        return seconds * part / (time.process_time() - began)

    frame: dict[str, Any] = {"frame_length": 512, "hop_length": 80}
    pitch: dict[str, Any] = {"fmin": 65.0, "fmax": 500.0, "sr": _RATE}
    factors = {
        "librosa MFCC": factor(
            lambda y: librosa.feature.mfcc(y=y, sr=_RATE, n_fft=256, hop_length=80, n_mels=26)
        ),
        "librosa YIN": factor(lambda y: librosa.yin(y, **pitch, **frame), 2),
        "librosa pYIN": factor(lambda y: librosa.pyin(y, **pitch, **frame), 5),
    }
    smile = call_peer("egemaps.py", [str(store)])
    factors["openSMILE eGeMAPSv02"] = seconds / smile["seconds"]
    spent = call_peer("activity.py", [str(store), str(folder / "decisions.npz")])
    factors |= {name: seconds / value for name, value in spent.items()}
    return factors
