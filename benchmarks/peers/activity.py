"""Voice activity by webrtcvad and silero, in the peers' environment.

`activity.py IN.npz OUT.npz`: IN holds int16 signals at 8 kHz by name; OUT gets, as `NAME/PEER`,
one uint8 a 10 ms frame (1: speech). Printed as JSON: seconds of processing by peer.

Silero's network is run by onnxruntime straight from its wheel, whose own loader would need PyTorch:
windows of 256 samples with the 32 before them, threshold and hysteresis as its
`get_speech_timestamps` has them by default (0.5 / 0.35, pieces of 250 ms, pauses of 100 ms, 30 ms
of padding).
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import webrtcvad

RATE = 8000
FRAME = 80


def run_webrtc(signal: np.ndarray, mode: int) -> np.ndarray:
    """Raw decisions of 30 ms frames, repeated to 10 ms; shape (frames,)."""
    detector = webrtcvad.Vad(mode)
    size = 3 * FRAME
    data = signal.tobytes()
    count = len(signal) // size
    decisions = [
        detector.is_speech(data[2 * size * i : 2 * size * (i + 1)], RATE) for i in range(count)
    ]
    return np.repeat(np.array(decisions, dtype=np.uint8), 3)


class Silero:
    """Speech probabilities of silero's network and the spans that its authors make of them."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("silero_vad")
        if spec is None or spec.origin is None:
            raise SystemExit("silero-vad is not installed in this environment")
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(Path(spec.origin).parent / "data" / "silero_vad.onnx"),
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )

    def run(self, signal: np.ndarray) -> np.ndarray:
        """Decisions by 10 ms, shape (frames,)."""
        window, context = 256, np.zeros((1, 32), dtype=np.float32)
        state = np.zeros((2, 1, 128), dtype=np.float32)
        sound = signal.astype(np.float32) / 32768
        sound = np.concatenate([sound, np.zeros(-len(sound) % window, dtype=np.float32)])
        probabilities = []
        for start in range(0, len(sound), window):
            piece = np.concatenate([context, sound[None, start : start + window]], axis=1)
            output, state = self._session.run(
                None, {"input": piece, "state": state, "sr": np.array(RATE, dtype=np.int64)}
            )
            context = piece[:, -32:]
            probabilities.append(float(output[0, 0]))
        frames = np.zeros(len(signal) // FRAME, dtype=np.uint8)
        for start, end in self._find_spans(probabilities, window):
            frames[round(start / FRAME) : round(end / FRAME)] = 1
        return frames

    @staticmethod
    def _find_spans(probabilities: list[float], window: int) -> list[tuple[int, int]]:
        shortest, pause, padding = 0.25 * RATE, 0.1 * RATE, int(0.03 * RATE)
        spans: list[tuple[int, int]] = []
        begin = quiet = -1
        for index, probability in enumerate(probabilities):
            at = index * window
            if probability >= 0.5:
                quiet = -1
                if begin < 0:
                    begin = at
            elif probability < 0.35 and begin >= 0:
                if quiet < 0:
                    quiet = at
                if at - quiet >= pause:
                    if quiet - begin > shortest:
                        spans.append((begin, quiet))
                    begin = quiet = -1
        end = len(probabilities) * window
        if begin >= 0 and end - begin > shortest:
            spans.append((begin, end))
        return [(max(0, a - padding), b + padding) for a, b in spans]


def main() -> None:
    source, target = sys.argv[1:3]
    signals = dict(np.load(source))
    silero = Silero()
    found: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    peers = {f"webrtcvad {mode}": mode for mode in range(4)}
    for name, mode in peers.items():
        began = time.process_time()
        for key, signal in signals.items():
            found[f"{key}/{name}"] = run_webrtc(signal, mode)
        seconds[name] = time.process_time() - began
    began = time.process_time()
    for key, signal in signals.items():
        found[f"{key}/silero"] = silero.run(signal)
    seconds["silero"] = time.process_time() - began
    # Named apart: `allow_pickle` stays what it is, whatever a signal is called.
    np.savez(target, allow_pickle=False, **found)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
