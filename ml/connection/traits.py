"""What a recording is like after the ringing: the traits by which a person is told from a machine.

Each trait is a number that telephone people would name (how long the greeting was, whether the other
side answers the agent's turns, whether one voice speaks or two); nan where it cannot be told, as the
turns of two sides in one channel. `judge.py` weighs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ml.audio.activity import Activity, Span, seconds_to_frames
from ml.audio.decode import Recording
from ml.audio.spectrum import FRAMES_PER_SECOND, Floats, Frames
from ml.connection.tones import Signal, Tone
from ml.connection.voices import find_repetition

OUTCOMES = (
    "human", "voicemail", "ivr", "music", "silence", "no_answer",
    "busy", "congestion", "invalid_number", "fax",
)  # fmt: skip
"""What rules can say of a recording (`unknown` apart), in the order of their traits."""

_UTTERANCE_GAP = (
    0.8  # seconds; Asterisk's app_amd takes as much quiet after a greeting for a person's
)
_REPLY = (-0.5, 2.5)  # seconds after the other's end in which a turn answers it
_SPEAKING_SECONDS = 60.0  # of speech that are listened to for voices: a call is clear by then
_MIN_PIECE = 0.35  # seconds: less tells no voice
_NAN = float("nan")


@dataclass(frozen=True)
class Heard:
    """What one channel holds."""

    tones: list[Tone]
    """All that are steady, explained or not."""
    signals: list[Signal]
    beeps: list[Tone]
    activity: Activity


@dataclass(frozen=True)
class Scene:
    """What was heard in a recording, and what the rules make of it. Times in seconds."""

    recording: Recording
    frames: list[Frames]
    heard: list[Heard]
    """By channel; the called side's, or the only one, is the last."""
    signals: list[Signal]
    """Of all channels, in order of time."""
    rings: list[Signal]
    """The ringing before anybody spoke."""
    ring_music: Span | None
    """Music in its place."""
    after: float
    """Where ringing or music are over."""
    far_speech: list[Span]
    """Of the called side (or of both in one channel), after that."""
    near_speech: list[Span]
    terminal: Signal | None
    """The first tone that says what became of the call."""
    outcome: str
    """What the rules say."""
    rule: str
    """Which of them."""
    confidence: float
    """How often that rule is right, 0–1."""
    probability: float | None = None
    """By the rule itself, before calibration, where the rule is a model."""

    @property
    def duration(self) -> float:
        return self.recording.duration_seconds

    @property
    def far(self) -> Frames:
        return self.frames[-1]

    @property
    def far_activity(self) -> Activity:
        return self.heard[-1].activity

    @property
    def beeps(self) -> list[Tone]:
        return self.heard[-1].beeps

    @property
    def has_two_channels(self) -> bool:
        return len(self.frames) == 2


def describe(scene: Scene) -> dict[str, float]:
    """Traits by name, always the same names in the same order."""
    turns = join_spans(scene.far_speech, _UTTERANCE_GAP)
    return {
        **_by_rule(scene),
        **_by_tones(scene),
        **_by_beep(scene),
        **_by_utterances(scene, turns),
        **_by_turns(scene, turns),
        **_by_voices(scene),
        **_by_line(scene),
    }


def _by_rule(scene: Scene) -> dict[str, float]:
    traits = {f"rule_{name}": float(scene.outcome == name) for name in OUTCOMES}
    traits["rule_confidence"] = scene.confidence
    traits["is_two_channels"] = float(scene.has_two_channels)
    return traits


def _by_tones(scene: Scene) -> dict[str, float]:
    rings, terminal = scene.rings, scene.terminal
    last = rings[-1] if rings else None
    return {
        "ring_tones": float(sum(len(ring.tones) for ring in rings)),
        "ring_fit": last.fit if last else _NAN,
        "ring_is_cut": float(last.last_on_cut) if last else _NAN,
        "rings_missing": (
            (scene.duration - last.tones[-1].start) / last.period if last and last.period else _NAN
        ),
        "ring_music_seconds": (
            scene.ring_music[1] - scene.ring_music[0] if scene.ring_music else 0.0
        ),
        "terminal_tones": float(len(terminal.tones)) if terminal else 0.0,
        "terminal_fit": terminal.fit if terminal else _NAN,
        "terminal_after": terminal.start - scene.after if terminal else _NAN,
        "speech_before_terminal": (
            _total(_clip(scene.far_speech, 0.0, terminal.start)) if terminal else _NAN
        ),
        "keys": float(sum(len(s.tones) for s in scene.signals if s.kind == "dtmf")),
    }


def _by_beep(scene: Scene) -> dict[str, float]:
    beep = next((tone for tone in scene.beeps if tone.start > scene.after), None)
    if beep is None:
        return {
            "beep_seconds": 0.0, "beep_share": 0.0, "beep_after_speech": _NAN,
            "far_before_beep": _NAN, "far_after_beep": _NAN,
            "near_before_beep": _NAN, "near_after_beep": _NAN,
        }  # fmt: skip
    end = scene.duration
    ends = [stop for _, stop in scene.far_speech if stop < beep.start + 0.1]
    two = scene.has_two_channels
    return {
        "beep_seconds": beep.seconds,
        "beep_share": beep.share,
        "beep_after_speech": beep.start - max(ends) if ends else _NAN,
        "far_before_beep": _total(_clip(scene.far_speech, 0.0, beep.start)),
        "far_after_beep": _total(_clip(scene.far_speech, beep.end, end)),
        "near_before_beep": _total(_clip(scene.near_speech, 0.0, beep.start)) if two else _NAN,
        "near_after_beep": _total(_clip(scene.near_speech, beep.end, end)) if two else _NAN,
    }


def _by_utterances(scene: Scene, turns: list[Span]) -> dict[str, float]:
    """How the called side (or the only channel) speaks: how long at a time, with which pauses."""
    lengths = [end - start for start, end in turns]
    pauses = [later[0] - sooner[1] for sooner, later in pairwise(turns)]
    breaths = [later[0] - sooner[1] for sooner, later in pairwise(scene.far_speech)]
    rest = scene.duration - scene.after
    total = _total(scene.far_speech)
    return {
        "seconds_after": rest,
        "far_seconds": total,
        "far_share": total / rest if rest > 0 else _NAN,
        "far_turns": float(len(turns)),
        "far_first_at": turns[0][0] - scene.after if turns else _NAN,
        "far_quiet_at_end": scene.duration - turns[-1][1] if turns else _NAN,
        "greeting_seconds": lengths[0] if lengths else _NAN,
        "greeting_pause": pauses[0] if pauses else _NAN,
        "second_turn_seconds": lengths[1] if len(lengths) > 1 else _NAN,
        "longest_turn": max(lengths, default=_NAN),
        "median_turn": float(np.median(lengths)) if lengths else _NAN,
        "median_pause": float(np.median(pauses)) if pauses else _NAN,
        "longest_pause": max(pauses, default=_NAN),
        "pause_spread": float(np.std(pauses)) if len(pauses) > 1 else _NAN,
        "breaths_a_second": len(breaths) / total if total > 0 else _NAN,
        "median_breath": float(np.median(breaths)) if breaths else _NAN,
        "is_repeated": float(
            find_repetition(scene.recording.samples[-1], scene.far_speech) is not None
        ),
    }


def _by_turns(scene: Scene, turns: list[Span]) -> dict[str, float]:
    """How both sides take turns; all nan in one channel."""
    names = (
        "near_seconds", "near_share", "near_turns", "near_first_after_far", "near_first_at",
        "replies_to_near", "replies_share", "replies_to_far", "near_waits_share",
        "overlap_share", "near_alone_at_end", "near_longest_turn",
    )  # fmt: skip
    if not scene.has_two_channels:
        return dict.fromkeys(names, _NAN)
    near = join_spans(scene.near_speech, _UTTERANCE_GAP)
    total = _total(scene.near_speech)
    rest = scene.duration - scene.after
    spoken = [turn for turn in near if turn[1] - turn[0] > 0.3]
    replies = _replies(spoken, turns)
    asked = _replies([turn for turn in turns if turn[1] - turn[0] > 0.3], near)
    far_total = _total(scene.far_speech)
    overlap = sum(_total(_clip(scene.near_speech, *span)) for span in scene.far_speech)
    last_far = turns[-1][1] if turns else scene.after
    values = (
        total,
        total / rest if rest > 0 else _NAN,
        float(len(near)),
        near[0][0] - turns[0][1] if near and turns else _NAN,
        near[0][0] - scene.after if near else _NAN,
        float(replies),
        replies / len(spoken) if spoken else _NAN,
        float(asked),
        asked / len(turns) if turns else _NAN,
        overlap / min(total, far_total) if min(total, far_total) > 0 else _NAN,
        _total(_clip(scene.near_speech, last_far, scene.duration)),
        max((end - start for start, end in near), default=_NAN),
    )
    return dict(zip(names, values, strict=True))


def _replies(asking: list[Span], answering: list[Span]) -> int:
    """How many turns of one side the other one answers: it begins about when they end."""
    starts = np.array([start for start, _ in answering])
    return sum(
        bool(((starts - end > _REPLY[0]) & (starts - end < _REPLY[1]) & (starts > start)).any())
        for start, end in asking
    )


def _by_voices(scene: Scene) -> dict[str, float]:
    """One voice or two, and what sort of voice; by the bands, pitch and level of each piece."""
    names = (
        "voice_pieces", "pitch_spread", "level_spread", "colour_spread", "colour_jump",
        "two_clusters", "clusters_balance", "clusters_change", "pitch_semitones",
        "pitch_movement", "voiced_share", "speech_flatness", "over_floor_db", "floor_spread",
    )  # fmt: skip
    frames = scene.far
    floor = scene.far_activity.floor_db
    pieces: list[slice] = []
    heard = 0.0
    for start, end in scene.far_speech:
        if end - start < _MIN_PIECE:
            continue
        pieces.append(slice(seconds_to_frames(start), seconds_to_frames(end)))
        heard += end - start
        if heard > _SPEAKING_SECONDS:
            break
    if not pieces:
        return {"voice_pieces": 0.0, **dict.fromkeys(names[1:], _NAN)}
    pitches, levels, colours, movements, voiced_shares, flats, overs = [], [], [], [], [], [], []
    for piece in pieces:
        level = frames.level_db[piece]
        loud = level > np.percentile(level, 80) - 15.0
        voiced = loud & (frames.harmonicity[piece] > 0.75)
        voiced_shares.append(float(voiced.sum() / max(1, loud.sum())))
        flats.append(float(frames.flatness[piece][loud].mean()))
        overs.append(float(np.percentile(level, 80) - np.median(floor[piece])))
        levels.append(float(np.percentile(level, 80)))
        bands = frames.bands_db[piece][loud].astype(np.float32)
        # Means over loud frames around their own mean: the voice and its line, not its loudness.
        colours.append((bands - bands.mean(axis=1, keepdims=True)).mean(axis=0))
        if voiced.sum() >= 12:
            notes = 12 * np.log2(frames.pitch_hz[piece][voiced])
            pitches.append(float(np.median(notes)))
            movements.append(float(np.subtract(*np.percentile(notes, [90, 10]))))
    clusters = _cluster(np.array(colours), np.array(levels))
    values = (
        float(len(pieces)),
        float(np.std(pitches)) if len(pitches) > 1 else _NAN,
        float(np.std(levels)) if len(levels) > 1 else _NAN,
        _spread(np.array(colours)),
        _jump(np.array(colours)),
        *clusters,
        float(np.median(pitches)) if pitches else _NAN,
        float(np.median(movements)) if movements else _NAN,
        float(np.mean(voiced_shares)),
        float(np.mean(flats)),
        float(np.median(overs)),
        float(np.std([np.median(floor[piece]) for piece in pieces])) if len(pieces) > 1 else _NAN,
    )
    return dict(zip(names, values, strict=True))


def _spread(colours: Floats) -> float:
    if len(colours) < 2:
        return _NAN
    return float(np.sqrt(np.mean(np.std(colours, axis=0) ** 2)))


def _jump(colours: Floats) -> float:
    """Mean distance of neighbouring pieces, dB: high where voices take turns."""
    if len(colours) < 2:
        return _NAN
    return float(np.sqrt(np.mean((colours[1:] - colours[:-1]) ** 2, axis=1)).mean())


def _cluster(colours: Floats, levels: Floats) -> tuple[float, float, float]:
    """Two means over the pieces: share of the variance they explain, balance, how often they change.

    Started from the farthest pair, so that the same pieces always part in the same way.
    """
    if len(colours) < 4:
        return _NAN, _NAN, _NAN
    points = np.column_stack((colours, 0.5 * levels))
    far = np.sum((points[:, None] - points[None]) ** 2, axis=2)
    first, second = np.unravel_index(int(far.argmax()), far.shape)
    centres = points[[first, second]]
    labels = np.zeros(len(points), dtype=bool)
    for _ in range(10):
        distance = np.sum((points[:, None] - centres[None]) ** 2, axis=2)
        labels = distance[:, 1] < distance[:, 0]
        if labels.all() or not labels.any():
            return 0.0, 0.0, 0.0
        centres = np.array([points[~labels].mean(axis=0), points[labels].mean(axis=0)])
    within = sum(((points[labels == side] - centres[side]) ** 2).sum() for side in (0, 1))
    whole = ((points - points.mean(axis=0)) ** 2).sum()
    share = float(labels.mean())
    changes = float(np.mean(labels[1:] != labels[:-1]))
    return 1.0 - float(within / max(whole, 1e-6)), min(share, 1.0 - share), changes


def _by_line(scene: Scene) -> dict[str, float]:
    """What the called side's channel carries besides speech: music, a room, or nothing."""
    frames = scene.far
    first = seconds_to_frames(max(0.0, scene.after + 0.1))
    music = _clip(scene.far_activity.music, scene.after, scene.duration)
    free = np.ones(len(frames), dtype=bool)
    free[:first] = False
    blocked = [(tone.start, tone.end) for signal in scene.signals for tone in signal.tones]
    blocked += [(tone.start, tone.end) for tone in scene.beeps]
    for start, end in [*scene.far_speech, *blocked]:
        free[max(0, seconds_to_frames(start - 0.1)) : seconds_to_frames(end + 0.15)] = False
    if scene.has_two_channels:
        # What comes back of the agent's own voice is no sign of a room.
        for start, end in scene.near_speech:
            free[max(0, seconds_to_frames(start - 0.05)) : seconds_to_frames(end + 0.4)] = False
    rest = max(scene.duration - scene.after, 0.01)
    level = np.maximum(frames.level_db[free], np.float32(-100.0))
    if level.size < 20:
        low = middle = high = busy = steadiness = hollow = _NAN
    else:
        low, middle, high = (float(x) for x in np.percentile(level, [10, 50, 95]))
        busy = float(np.mean(level > low + 8.0))
        steadiness = float(frames.steadiness[free].mean())
        hollow = float(frames.flatness[free].mean())
    return {
        "music_seconds": _total(music),
        "music_share": _total(music) / rest,
        "line_low_db": low,
        "line_middle_db": middle,
        "line_range_db": high - low,
        "line_busy_share": busy,
        "line_steadiness": steadiness,
        "line_flatness": hollow,
        "line_seconds": level.size / FRAMES_PER_SECOND,
    }


def join_spans(spans: list[Span], gap: float) -> list[Span]:
    """Neighbours at most `gap` seconds apart as one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _clip(spans: list[Span], first: float, last: float) -> list[Span]:
    return [(max(a, first), min(b, last)) for a, b in spans if min(b, last) > max(a, first)]


def _total(spans: list[Span]) -> float:
    return sum(end - start for start, end in spans)
