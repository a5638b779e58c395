"""Two people in one channel: who speaks when, and how sure that is.

Each second of speech is described by its mean cepstra, their spread, pitch and level. How much
these vary within one speaker and between two is known from recordings (`speech.yaml`), so that a
recording's own split can be weighed: two speaker means, each drawn around the recording's, against
one (a two-covariance model with diagonal covariances, as in probabilistic linear discriminant
analysis). The split itself is found by turns of Viterbi decoding, which makes changing the speaker
cost something, more within a piece of speech than over a pause, and of estimating both means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.audio.activity import Span, load_thresholds, seconds_to_frames
from ml.audio.spectrum import FRAMES_PER_SECOND, HOP, WINDOW, Floats, Frames

METHOD = "two-covariance clustering of one-second pieces"
_CEPSTRA = 16
_MEL_BANDS = 22
_MEL_RANGE_HZ = (180.0, 3650.0)
_CHUNK_FRAMES = 4000  # so many spectra are held at a time
_MOST_ROUNDS = 10

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Separation:
    """Two voices of one channel."""

    probability: float
    """That there are two people."""
    purity: float
    """Expected share of the speech that went to the right one of the two."""
    separability: float
    """Log evidence of two speakers over one, in nats per second of voice; above 1.3 it is plain."""
    voices: tuple[list[Span], list[Span]]
    """Spans in seconds of the voice that is heard first and of the other one."""
    first_odds: float
    """Log odds that the first turn belongs to the voice it was given to, in nats."""
    method: str = METHOD

    @property
    def is_sure(self) -> bool:
        """Whether the figures by voice may be told: else they would be a guess."""
        settings = load_thresholds()["speakers"]
        return bool(
            self.probability >= settings["sure_probability"]
            and self.purity >= settings["sure_purity"]
        )

    @property
    def is_first_sure(self) -> bool:
        """Whether it is plain which voice spoke first, by which an outbound call's sides are named."""
        return self.is_sure and self.first_odds >= load_thresholds()["speakers"]["sure_first_odds"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "probability": round(self.probability, 3),
            "purity": round(self.purity, 3),
            "separability": round(self.separability, 3),
            "is_sure": self.is_sure,
            "is_first_sure": self.is_first_sure,
        }


def separate_speakers(
    samples: NDArray[np.int16], frames: Frames, speech: list[Span]
) -> Separation | None:
    """Tell two voices apart in one channel.

    `samples`: (samples,) at 8 kHz; `frames` and `speech` are of the same channel. None where too
    little is said to try. Memory: some 300 bytes a second of speech.
    """
    settings = load_thresholds()["speakers"]
    pieces = _cut(speech, settings["piece_seconds"])
    figures, weights = _describe(samples, frames, pieces)
    heard = weights > 0
    if heard.sum() < settings["fewest_pieces"]:
        return None
    split = _split(figures, weights, [piece[2] for piece in pieces])
    if split is None:
        return None
    labels, evidence, odds = split
    turn = int(np.flatnonzero(np.append(labels != labels[0], True))[0])
    separability = evidence / float(weights.sum())
    voices: tuple[list[Span], list[Span]] = ([], [])
    for (start, end, joined), label in zip(pieces, labels, strict=True):
        spans = voices[label if labels[0] == 0 else 1 - label]
        if joined and spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return Separation(
        probability=_logistic(settings["probability"], separability),
        purity=max(0.5, _logistic(settings["purity"], separability)),
        separability=separability,
        voices=voices,
        first_odds=float(odds[:turn].sum()) * (1 if labels[0] else -1),
    )


def _logistic(line: dict[str, float], value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(line["slope"] * (value - line["at"]), -50, 50))))


def _cut(speech: list[Span], longest: float) -> list[tuple[float, float, bool]]:
    """Pieces of equal length in each span: start, end, whether it goes on from the one before."""
    pieces = []
    for start, end in speech:
        edges = np.linspace(start, end, max(1, round((end - start) / longest)) + 1)
        edges = np.round(edges * FRAMES_PER_SECOND) / FRAMES_PER_SECOND
        pieces += [(float(a), float(b), index > 0) for index, (a, b) in enumerate(pairwise(edges))]
    return pieces


def _describe(
    samples: NDArray[np.int16], frames: Frames, pieces: list[tuple[float, float, bool]]
) -> tuple[Floats, Floats]:
    """Figures of each piece in units of a speaker's own spread, and how much each counts (0–1).

    Shapes (pieces, figures) and (pieces,). A piece without enough voice counts nothing.
    """
    settings = load_thresholds()["speakers"]
    within = np.array(settings["within"], dtype=np.float32)
    chosen, owners = [], []
    figures = np.zeros((len(pieces), len(within)), dtype=np.float32)
    for index, (start, end, _) in enumerate(pieces):
        first, last = seconds_to_frames(start), seconds_to_frames(end)
        if last <= first:
            continue
        level = frames.level_db[first:last]
        loud = float(np.percentile(level, 85))
        voiced = frames.harmonicity[first:last] > settings["voiced_harmonicity"]
        places = first + np.flatnonzero(voiced & (level > loud - settings["voice_within_db"]))
        if places.size < settings["fewest_frames"]:
            continue
        clear = places[frames.harmonicity[places] > settings["pitch_harmonicity"]]
        pitch = 12 * np.log2(frames.pitch_hz[clear if clear.size > 5 else places])
        figures[index, 2 * _CEPSTRA :] = (np.median(pitch), loud, np.std(pitch))
        chosen.append(places)
        owners.append(np.full(places.size, index))
    weights = np.zeros(len(pieces), dtype=np.float32)
    if not chosen:
        return figures, weights
    owner = np.concatenate(owners)
    cepstra = _cepstra(samples, np.concatenate(chosen))
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    counts = np.diff(np.append(starts, owner.size))[:, None]
    mean = np.add.reduceat(cepstra, starts, axis=0) / counts
    square = np.add.reduceat(cepstra**2, starts, axis=0) / counts
    rows = owner[starts]
    figures[rows, :_CEPSTRA] = mean
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    figures[rows, _CEPSTRA : 2 * _CEPSTRA] = np.log(spread + 0.1)
    figures /= within
    # A full piece counts less than one observation: neighbours are not independent of each other.
    full = settings["full_piece_frames"]
    weights[rows] = settings["piece_weight"] * np.minimum(counts[:, 0] / full, 1)
    figures[rows] -= np.average(figures[rows], axis=0, weights=weights[rows])
    figures[weights == 0] = 0
    return figures, weights


def _cepstra(samples: NDArray[np.int16], places: NDArray[np.int64]) -> Floats:
    """Mel cepstra 1 to 16 of the frames at `places`, shape (places, 16)."""
    import scipy.fft

    # Frame i is centred at sample i × HOP; what lies outside is silence.
    found = np.empty((places.size, _CEPSTRA), dtype=np.float32)
    window = np.hanning(WINDOW).astype(np.float32) / np.float32(32768)
    reach = np.arange(WINDOW) - WINDOW // 2
    for begin in range(0, places.size, _CHUNK_FRAMES):
        rows = slice(begin, begin + _CHUNK_FRAMES)
        index = places[rows, None] * HOP + reach
        inside = (index >= 0) & (index < samples.size)
        block = samples[np.clip(index, 0, samples.size - 1)] * window * inside
        power = np.abs(scipy.fft.rfft(block, axis=1)) ** 2
        mel = np.log(power @ _mel_bank() + np.float32(1e-7))
        found[rows] = scipy.fft.dct(mel, axis=1, norm="ortho")[:, 1 : _CEPSTRA + 1]
    return found


@cache
def _mel_bank() -> Floats:
    """Triangles on the mel scale, shape (bins, bands)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in _MEL_RANGE_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, _MEL_BANDS + 2) / 2595) - 1)
    hz = np.arange(WINDOW // 2 + 1) * (8000 / WINDOW)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    bank: Floats = np.maximum(0, np.minimum(rising, falling)).T.astype(np.float32)
    return bank


def _split(
    figures: Floats, weights: Floats, joined: list[bool]
) -> tuple[Labels, float, NDArray[np.float64]] | None:
    """The best split of the pieces in two, its log evidence over one speaker, and each piece's odds.

    In nats, the odds those of the second label. None where no direction splits them.
    """
    settings = load_thresholds()["speakers"]
    prior = (np.array(settings["between"]) / np.array(settings["within"])) ** 2
    costs = np.where(
        joined, settings["change_cost"], settings["change_cost"] * settings["pause_discount"]
    )
    # Directions in which speakers differ most for what they vary themselves.
    scaled = figures * np.sqrt(prior / (1 + prior)).astype(np.float32)
    _, _, directions = np.linalg.svd(scaled * np.sqrt(weights)[:, None], full_matrices=False)
    best: tuple[Labels, float, NDArray[np.float64]] | None = None
    for direction in directions[: settings["starts"]]:
        labels: Labels = (scaled @ direction > 0).astype(np.int64)
        for _ in range(_MOST_ROUNDS):
            if labels.min() == labels.max():
                break
            decoded = _decode(_odds(figures, weights, labels, prior), costs)
            if np.array_equal(decoded, labels):
                break
            labels = decoded
        if labels.min() == labels.max():
            continue
        changes = float(costs[1:][np.diff(labels) != 0].sum())
        evidence = (
            sum(_log_evidence(figures, weights * (labels == side), prior) for side in (0, 1))
            - _log_evidence(figures, weights, prior)
            - changes
        )
        if best is None or evidence > best[1]:
            best = (labels, evidence, _odds(figures, weights, labels, prior))
    return best


def _odds(
    figures: Floats, weights: Floats, labels: Labels, prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log odds of the second speaker for each piece."""
    distances = []
    for side in (0, 1):
        share = weights * (labels == side)
        mean = share @ figures / (share.sum() + 1 / prior)
        distances.append(((figures - mean) ** 2).sum(axis=1))
    odds: NDArray[np.float64] = 0.5 * weights * (distances[0] - distances[1])
    return odds


def _log_evidence(figures: Floats, weights: Floats, prior: NDArray[np.float64]) -> float:
    """Log likelihood of the pieces as one speaker's, the mean integrated out, but for a constant."""
    count = float(weights.sum())
    total = weights @ figures
    return float((-0.5 * np.log1p(count * prior) + 0.5 * total**2 / (count + 1 / prior)).sum())


def _decode(odds: NDArray[np.float64], costs: NDArray[np.float64]) -> Labels:
    """Viterbi path of two states: `costs[i]` is paid for changing before piece i."""
    # Of two states only the difference of their scores matters: beyond the cost one path is left.
    lead = 0.0
    came_from_other = np.zeros((len(odds), 2), dtype=bool)
    for index, (gain, cost) in enumerate(zip(odds.tolist(), costs.tolist(), strict=True)):
        if index:
            came_from_other[index] = (lead > cost, lead < -cost)
            lead = min(max(lead, -cost), cost)
        lead += gain
    labels = np.zeros(len(odds), dtype=np.int64)
    state = int(lead > 0)
    for index in range(len(odds) - 1, -1, -1):
        labels[index] = state
        if came_from_other[index, state]:
            state = 1 - state
    return labels
