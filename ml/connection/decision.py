"""What became of a call, from its recording alone: outcome, answer time, evidence, confidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.audio.activity import Activity, Span, find_activity
from ml.audio.decode import Recording
from ml.audio.spectrum import FRAMES_PER_SECOND, Floats, Frames, compute_frames
from ml.connection.answer import find_answer, has_brief_sound
from ml.connection.judge import load_judge
from ml.connection.rules import CALIBRATION_PATH, load_rules
from ml.connection.tones import (
    Signal,
    Tone,
    find_tones,
    is_key,
    is_network,
    load_table,
    read_tones,
)
from ml.connection.traits import Heard, Scene, describe, join_spans
from ml.connection.voices import (
    describe_voices,
    find_echoes,
    find_repetition,
    person_probability,
)

_AFTER_TONES_SECONDS = 6.0  # no network pauses longer than 4.4 s (10 % over 4) between its tones

_DEAD_STEPS = 3  # of 32768: nothing but rounding
_NETWORK = frozenset({"ringback", "busy", "congestion", "invalid_number", "special_information"})

RULES = (
    "tone",
    "tone_few",
    "special_information",
    "fax",
    "fax_single",
    "hung_up",
    "dialogue",
    "short_dialogue",
    "short_answer",
    "listener",
    "greeting_then_beep",
    "greeting_then_agent",
    "prompt_then_goodbye",
    "repeated_prompt",
    "alone_person",
    "alone_prompt",
    "mono_person",
    "mono_prompt",
    "mono_announcement",
    "music",
    "ringing",
    "ringing_single",
    "silence",
    "silence_after_ring",
)
"""Every rule that can decide."""

ANSWERED = frozenset({"human", "voicemail", "ivr", "fax", "music", "silence"})
"""Outcomes in which anything picked up (docs/contracts.md)."""

TERMINAL = ("busy", "congestion", "invalid_number", "special_information", "fax")
"""Signals after which a network says nothing more."""

SPOKEN = ("human", "voicemail", "ivr")
"""Outcomes that speech can mean; which, `ml.connection.judge` weighs."""


@dataclass(frozen=True)
class Evidence:
    """Something heard, with its place in seconds."""

    kind: str
    start_seconds: float
    end_seconds: float
    detail: str


@dataclass(frozen=True)
class Connection:
    """The decision on one recording. Times in seconds from its start."""

    outcome: str
    is_answered: bool
    is_connected: bool
    confidence: float
    """Probability that the outcome is right, 0–1."""
    rule: str
    """Which of `RULES` proposed the outcome, or `judge` where the trees overruled it."""
    ring_seconds: float
    """From the first ring (or ring-back music) to the answer or the end; 0 where nothing rang."""
    answered_at_seconds: float | None
    answered_by: str | None
    """What tells the moment of the answer, as in `ml.connection.answer.Answer.sign`."""
    evidence: list[Evidence]
    speech: dict[str, list[Span]]
    """Speech by side: `agent` and `customer`, or `mixed`."""
    music: dict[str, list[Span]] = field(default_factory=dict)
    outcome_by_country: dict[str, str] = field(default_factory=dict)
    """By ISO code: what the tone says where that country was called, if it says something else.

    Empty where the country was given, and nearly always.
    """


def analyse(recording: Recording, country: str | None = None) -> Connection:
    """Hear tones, speech and music in a recording and decide what became of the call.

    `country`: ISO code of the called number where known; it breaks ties between tables only.
    """
    scene = observe(recording, country)
    return _conclude(scene, _read_elsewhere(scene) if country is None else {})


def observe(
    recording: Recording,
    country: str | None = None,
    listener: Callable[[dict[str, float]], None] | None = None,
) -> Scene:
    """All that is heard in a recording, and what the rules propose; `country` as in `analyse`.

    `listener` is told the figures of voices wherever a rule rests on them.
    """
    if len(recording.samples) == 2 and recording.peak(1) <= _DEAD_STEPS:
        # A dead customer's channel beside one on which the network is heard: all is in that one.
        alone = replace(recording, samples=recording.samples[:1])
        scene = observe(alone, country, listener)
        if any(signal.kind in _NETWORK for signal in scene.signals):
            return scene
    frames, likeness = compute_frames(recording)
    heard = []
    for channel, own in enumerate(frames):
        other = frames[1 - channel] if len(frames) == 2 else None
        heard.append(_hear(recording, channel, own, other, likeness, country))
    return _propose(recording, frames, heard, listener or (lambda _: None))


@dataclass(frozen=True)
class Verdict:
    """An outcome, the rule that gave it and, where that rule is a model, its probability."""

    outcome: str
    rule: str
    probability: float | None = None


def calibrated(verdict: Verdict) -> float:
    """How often such a verdict was right on the calls by which `calibration.yaml` was fitted."""
    table = load_rules(CALIBRATION_PATH)["confidence"]
    entry = table[verdict.rule]
    if verdict.probability is None:
        return float(entry["right"])
    odds = math.log(verdict.probability / (1.0 - verdict.probability + 1e-9) + 1e-9)
    return float(1.0 / (1.0 + math.exp(-(entry["offset"] + entry["slope"] * odds))))


def _hear(
    recording: Recording,
    channel: int,
    frames: Frames,
    other: Frames | None,
    likeness: Floats | None,
    country: str | None,
) -> Heard:
    tones = find_tones(frames, recording.samples[channel])
    signals = read_tones(tones, recording.duration_seconds, country)
    explained = [tone for signal in signals for tone in signal.tones]
    blocked = [(tone.start, tone.end) for tone in tones if _is_signalling(tone, explained)]
    blocked += _spoilt_rings(signals)
    activity = find_activity(frames, blocked, other, likeness)
    # One tone like a fax's or a ring, right after speech, is the beep of a machine.
    doubtful = [
        s
        for s in signals
        if (s.kind == "fax" and s.fit < 0.9) or (s.kind == "ringback" and len(s.tones) == 1)
    ]
    free = [tone for tone in tones if tone not in explained]
    free += [tone for signal in doubtful for tone in signal.tones]
    rings = [t for s in signals if s.kind == "ringback" and s not in doubtful for t in s.tones]
    beeps = _find_beeps(sorted(free, key=lambda tone: tone.start), activity.speech, rings)
    if beeps:
        signals = [s for s in signals if s not in doubtful or s.tones[0] not in beeps]
        blocked += [(tone.start, tone.end) for tone in beeps]
        activity = find_activity(frames, blocked, other, likeness)
    return Heard(tones, signals, beeps, activity)


def _spoilt_rings(signals: list[Signal]) -> list[Span]:
    """Gaps within one ringing, up to two periods long, in which a codec has smeared a ring.

    Whoever answers ends the ringing for good: what sounds like a word there is none. Only runs of
    two tones and more count as ringing, since a single one may be a machine's beep after its text.
    """
    rings = [s for s in signals if s.kind == "ringback" and len(s.tones) >= 2]
    return [
        (left.end, right.start)
        for left, right in pairwise(rings)
        if 0 < right.start - left.end <= 2 * max(left.period, right.period)
        and len(left.tones[0].hz) == len(right.tones[0].hz)
        and all(abs(a - b) < 15 for a, b in zip(left.tones[0].hz, right.tones[0].hz, strict=True))
    ]


def _is_signalling(tone: Tone, explained: list[Tone]) -> bool:
    """Explained, or so like a tone that was, that only a codec can have spoilt its cadence; or pure.

    A voice can hold a harmonic at such a frequency, but not alone.
    """
    if tone in explained:
        return True
    pure = load_rules()["pure_tone"]
    if tone.hz[0] > pure["lowest_hz"] and (
        (tone.share > pure["share"] and tone.seconds >= pure["seconds"])
        or (
            min(tone.share, tone.purity) > pure["short_share"]
            and tone.seconds >= pure["short_seconds"]
            and len(tone.hz) == 1
            and tone.spread_hz < pure["spread_hz"]
        )
    ):
        return True
    return any(
        len(known.hz) == len(tone.hz)
        and all(abs(a - b) < 15 for a, b in zip(known.hz, tone.hz, strict=True))
        and tone.share > 0.9
        and tone.start < explained[-1].end + _AFTER_TONES_SECONDS
        for known in explained
    )


def _find_beeps(tones: list[Tone], speech: list[Span], rings: list[Tone]) -> list[Tone]:
    """Single steady tones that stand free, shortly after speech: “… after the tone”."""
    block = load_table()["beep"]
    shortest, longest = (ms / 1000 for ms in block["duration_ms"])
    low, high = block["hz"]
    found = []
    for tone in tones:
        alike = [
            other
            for other in [*tones, *rings]
            if other is not tone
            and len(other.hz) == len(tone.hz)
            and abs(other.hz[0] - tone.hz[0]) < 12
            and abs(other.level_db - tone.level_db) < block["alike_db"]
        ]
        if len(alike) >= 2:
            continue  # a run of tones: a network's or music, and no single sign to speak
        if not (
            low <= tone.hz[0] <= tone.hz[-1] <= high
            and shortest <= tone.seconds <= longest
            and _is_alone(tone, block)
        ):
            continue
        before = [end for start, end in speech if start < tone.start - 0.2]
        # The tone may be glued to the greeting's last island, or be an island of its own.
        inside = any(start < tone.start - 0.25 and tone.end + 0.35 < end for start, end in speech)
        near = any(tone.start - end <= block["after_speech_seconds"] for end in before)
        if before and near and not inside:
            found.append(tone)
    return found


def _is_alone(tone: Tone, block: dict[str, float]) -> bool:
    """Whether there is nothing but the tone, a codec's noise and the line's apart."""
    if len(tone.hz) == 2:
        # Two notes an octave or a twelfth apart are one note of an instrument or a voice.
        ratio = tone.hz[1] / tone.hz[0]
        return (
            min(tone.share, tone.purity) > block["pair_share"]
            and abs(ratio - round(ratio)) > block["harmonic_ratio"]
            and not is_key(tone)
            and not is_network(tone)
        )
    if tone.spread_hz > block["frequency_spread_hz"]:
        return False
    is_long = tone.seconds >= block["long_ms"] / 1000
    return tone.share > (block["long_share"] if is_long else block["share"]) or (
        tone.share > block["coded_share"]
        and tone.purity > block["coded_purity"]
        and tone.seconds >= block["coded_ms"] / 1000
    )


def _propose(
    recording: Recording,
    frames: list[Frames],
    heard: list[Heard],
    listener: Callable[[dict[str, float]], None],
) -> Scene:
    duration = recording.duration_seconds
    far = heard[-1]
    near = heard[0] if len(heard) == 2 else None
    signals = sorted(
        (signal for one in heard for signal in one.signals), key=lambda signal: signal.start
    )
    rings = _leading_rings(signals, far.activity.speech)
    ring_end = rings[-1].end if rings else 0.0
    early_music = _leading_music(far.activity, near.activity if near else None, ring_end)

    if near is not None:
        echoes = find_echoes(
            recording.samples[0], recording.samples[1], near.activity.speech, far.activity.speech
        )
        if echoes:
            own = [span for span in far.activity.speech if span not in echoes]
            far = replace(far, activity=replace(far.activity, speech=own))
            heard = [heard[0], far]
    after = ring_end - 0.05
    if early_music is not None:
        after = early_music[1] - 0.05
    far_speech = [span for span in far.activity.speech if span[1] > after]
    near_speech = [span for span in near.activity.speech if span[1] > after] if near else []
    terminal = next(
        (s for s in signals if s.kind in TERMINAL),
        None,
    )
    beep = far.beeps[0] if far.beeps else None

    verdict: Verdict | None = None
    talk_before_terminal = terminal is not None and any(
        start < terminal.start - 0.5 for start, _ in far_speech
    )
    if terminal is not None and not talk_before_terminal:
        verdict = _by_tone(terminal, rings)
        if (
            terminal.kind in ("busy", "congestion")
            and rings
            and not far.activity.music
            and has_brief_sound(recording.samples[-1], ring_end, terminal.start)
        ):
            verdict = Verdict("human", "hung_up")
    if verdict is None and far_speech:
        if near is not None:
            verdict = _by_two_channels(
                far_speech,
                near_speech,
                beep,
                bool(rings),
                frames[-1],
                recording.samples[-1],
                listener,
            )
        else:
            verdict = _by_one_channel(
                far_speech, beep, bool(rings), frames[0], recording.samples[0], listener
            )
        if verdict.outcome == "ivr" and terminal is not None:
            # An announcement and then the tone it explains.
            verdict = _by_tone(terminal, rings)
    if verdict is None:
        verdict = _without_speech(
            far, near_speech, rings, ring_end, early_music, duration, frames, recording
        )
    return Scene(
        recording=recording,
        frames=frames,
        heard=heard,
        signals=signals,
        rings=rings,
        ring_music=early_music,
        after=max(0.0, after + 0.05),
        far_speech=far_speech,
        near_speech=near_speech,
        terminal=terminal,
        outcome=verdict.outcome,
        rule=verdict.rule,
        confidence=calibrated(verdict),
        probability=verdict.probability,
    )


def _judge(scene: Scene) -> tuple[str, float]:
    """The outcome and its probability: the rules' where tones or silence tell, else that of both.

    Rules and trees are pooled linearly (Stone 1961): trees know calls made like those they have
    learnt from better, rules other calls.
    """
    if not scene.far_speech or scene.outcome not in SPOKEN:
        return scene.outcome, scene.confidence
    rules = load_rules()["judge"]
    weights = load_judge().weigh(describe(scene))
    # That speech was none, or music, the rules have settled before.
    heard = {name: weights[name] for name in (*SPOKEN, "tones")}
    weights = {name: weight / sum(heard.values()) for name, weight in heard.items()}
    for name in weights:
        proposed = scene.confidence if name == scene.outcome else (1.0 - scene.confidence) / 2
        by_rules = proposed if name in SPOKEN else 0.0
        weights[name] += rules["share_of_rules"] * (by_rules - weights[name])
    spoken = {name: weights[name] for name in SPOKEN}
    best = max(spoken, key=lambda name: spoken[name])
    if best == "human" and weights["human"] < rules["person_at_least"]:
        best = max(("voicemail", "ivr"), key=lambda name: spoken[name])
    if weights["tones"] > max(spoken.values()):
        if scene.terminal is not None:
            return _by_tone(scene.terminal, scene.rings).outcome, weights["tones"]
        if scene.rings or scene.ring_music:
            return "no_answer", weights["tones"]
    return best, weights[best]


def _read_elsewhere(scene: Scene) -> dict[str, str]:
    """Other countries' outcomes by ISO code, where their tables read the same tones otherwise."""
    terminal = scene.terminal
    if terminal is None or scene.outcome in ANSWERED:
        return {}
    aliases = load_table()["aliases"]
    found: dict[str, str] = {}
    for block in load_table()["countries"]:
        signals = [
            signal
            for one in scene.heard
            for signal in read_tones(one.tones, scene.duration, block)
            if signal.kind in TERMINAL and signal.end > terminal.start
        ]
        if not signals:
            continue
        first = min(signals, key=lambda signal: signal.start)
        outcome = _by_tone(first, scene.rings).outcome
        if outcome != scene.outcome:
            names = [name for name, target in aliases.items() if target == block]
            codes = names if block == "UK" else [block, *names]
            found.update(dict.fromkeys(codes, outcome))
    return found


def _conclude(scene: Scene, elsewhere: dict[str, str]) -> Connection:
    recording, rings, heard = scene.recording, scene.rings, scene.heard
    duration = recording.duration_seconds
    far = heard[-1]
    outcome, confidence = _judge(scene)
    is_answered = outcome in ANSWERED
    used_music = scene.ring_music if is_answered and outcome != "music" else None
    answer = (
        find_answer(
            recording.samples[-1],
            scene.far,
            rings,
            used_music,
            far.activity.speech + far.activity.music,
            scene.near_speech,
            scene.terminal if outcome == "fax" else None,
            outcome,
            duration,
        )
        if is_answered
        else None
    )
    answered_at = answer.at if answer is not None else None
    start = rings[0].start if rings else None
    if start is None and used_music is not None:
        start = used_music[0]
    if start is None:
        ring_seconds = 0.0
    elif answered_at is not None:
        ring_seconds = max(0.0, answered_at - start)
    else:
        stop = scene.terminal.start if scene.terminal is not None else duration
        ring_seconds = max(0.0, stop - start)
    return Connection(
        outcome=outcome,
        is_answered=is_answered,
        is_connected=outcome == "human",
        confidence=confidence,
        rule=scene.rule if outcome == scene.outcome else "judge",
        ring_seconds=ring_seconds,
        answered_at_seconds=answered_at,
        answered_by=answer.sign if answer is not None else None,
        evidence=_collect_evidence(recording.sides, heard, used_music, scene.terminal, elsewhere),
        speech=dict(zip(recording.sides, (one.activity.speech for one in heard), strict=True)),
        music=dict(zip(recording.sides, (one.activity.music for one in heard), strict=True)),
        outcome_by_country=elsewhere if outcome == scene.outcome else {},
    )


def _leading_rings(signals: list[Signal], far_speech: list[Span]) -> list[Signal]:
    """Ringing before anybody on the far side has talked; a ring inside a conversation is another's."""
    rings: list[Signal] = []
    for signal in signals:
        if signal.kind != "ringback":
            continue
        talked = sum(
            min(end, signal.start) - start for start, end in far_speech if start < signal.start
        )
        if talked < 1.0:
            rings.append(signal)
    return rings


def _leading_music(far: Activity, near: Activity | None, ring_end: float) -> Span | None:
    """Music at the beginning, before any talk: where speech follows it was the ring-back."""
    rules = load_rules()["music"]
    if not far.music:
        return None
    start, end = far.music[0]
    for begin, stop in far.music[1:]:
        if begin - end < 3.0 and not any(end < s < begin for s, _ in far.speech):
            end = stop
        else:
            break
    if start > ring_end + rules["lead_seconds"]:
        return None
    talked = [span for span in far.speech if span[0] < start - 0.3]
    talked += [span for span in near.speech if span[0] < start - 0.3] if near else []
    return None if talked else (start, end)


def _by_tone(signal: Signal, rings: list[Signal]) -> Verdict:
    rules = load_rules()
    if signal.kind == "fax":
        return Verdict("fax", "fax" if signal.fit > 0.9 else "fax_single")
    if signal.kind == "special_information":
        return Verdict(load_table()["special_information"]["outcome"], "special_information")
    rang = signal.start - rings[0].start if rings else 0.0
    if signal.kind == "busy" and rang >= rules["ring"]["busy_after_seconds"]:
        return Verdict("no_answer", "ringing")
    return Verdict(signal.kind, "tone" if len(signal.tones) >= 4 else "tone_few")


def _by_two_channels(
    far: list[Span],
    near: list[Span],
    beep: Tone | None,
    rang: bool,
    frames: Frames,
    samples: NDArray[np.int16],
    listener: Callable[[dict[str, float]], None],
) -> Verdict:
    """A person or a machine, where the agent can be heard alone."""
    rules = load_rules()["human"]
    utterances = join_spans(far, rules["utterance_gap_seconds"])
    near_total = sum(end - start for start, end in near)
    agent_talks = near_total >= rules["agent_talks_seconds"]
    first_near = near[0][0] if near else float("inf")
    greeting = utterances[0]
    greeting_seconds = greeting[1] - greeting[0]
    replies = _count_replies(far, near) if agent_talks else 0
    if beep is not None:
        before = [span for span in near if span[1] < beep.start]
        after_beep = [span for span in far if span[0] > beep.end + 0.3]
        answered_before = _count_replies([s for s in far if s[0] < beep.start], before)
        if answered_before == 0 and len(after_beep) <= 1:
            return Verdict("voicemail", "greeting_then_beep")
    if replies >= 2:
        return Verdict("human", "dialogue")
    if find_repetition(samples, far) is not None:
        return Verdict("ivr", "repeated_prompt")
    if (
        agent_talks
        and replies == 0
        and first_near > greeting[0] + rules["greeting_seconds"]
        and len(utterances) == 1
        and greeting_seconds > rules["greeting_seconds"]
        and near_total <= rules["goodbye_seconds"]
    ):
        return Verdict("ivr", "prompt_then_goodbye")
    if agent_talks and (replies == 1 or greeting_seconds <= rules["monologue_seconds"]):
        alone = first_near > greeting[1] and replies == 0
        if alone and rang and greeting_seconds > 2 * rules["greeting_seconds"]:
            return Verdict("voicemail", "greeting_then_agent")
        return Verdict("human", "short_dialogue")
    if agent_talks:
        # The far side talked long; then the agent, and never the far side again.
        if rang or first_near > greeting[1] - rules["overlap_seconds"]:
            return Verdict("voicemail", "greeting_then_agent")
        return Verdict("human", "short_dialogue")
    if _is_waiting(utterances):
        return Verdict("human", "short_answer")
    return _by_voices(far, utterances, rang, frames, samples, listener, "alone")


def _by_one_channel(
    speech: list[Span],
    beep: Tone | None,
    rang: bool,
    frames: Frames,
    samples: NDArray[np.int16],
    listener: Callable[[dict[str, float]], None],
) -> Verdict:
    """The same where both sides, or one speaker, share a channel."""
    rules = load_rules()["human"]
    utterances = join_spans(speech, rules["utterance_gap_seconds"])
    if beep is not None:
        before = [span for span in utterances if span[0] < beep.start]
        if before and len(before) <= 4 and beep.start - before[0][0] < 40.0:
            return Verdict("voicemail", "greeting_then_beep")
    if _is_waiting(utterances):
        return Verdict("human", "short_answer")
    repeated = find_repetition(samples, speech)
    if repeated is not None:
        later = [span for span in speech if span[0] > repeated - 0.5]
        if sum(end - start for start, end in later) < rules["after_prompt_seconds"]:
            return Verdict("ivr", "repeated_prompt")
    return _by_voices(speech, utterances, rang, frames, samples, listener, "mono")


def _by_voices(
    speech: list[Span],
    utterances: list[Span],
    rang: bool,
    frames: Frames,
    samples: NDArray[np.int16],
    listener: Callable[[dict[str, float]], None],
    prefix: str,
) -> Verdict:
    """A person or a recorded text by the voices themselves, with the model's own probability."""
    figures = describe_voices(speech, rang, prefix == "alone", frames, samples)
    listener(figures)
    person = person_probability(figures)
    if (
        prefix == "mono"
        and not rang
        and _is_announcement(utterances, len(frames) / FRAMES_PER_SECOND)
    ):
        return Verdict("ivr", "mono_announcement")
    rules = load_rules()["voices"]
    begun = prefix == "mono" and not rang and speech[0][0] < rules["begun_seconds"]
    if person > (rules["person_above_begun"] if begun else rules["person_above"]):
        return Verdict("human", f"{prefix}_person", person)
    return Verdict("ivr", f"{prefix}_prompt", 1.0 - person)


def _is_announcement(utterances: list[Span], duration: float) -> bool:
    """One sentence in one breath, whole, with quiet before and after it, and nothing else.

    Nobody who is called says so much and no more, and the one who calls would be heard.
    """
    rules = load_rules()["human"]
    if len(utterances) > 1:
        return False
    start, end = utterances[0]
    margin = rules["announcement_margin_seconds"]
    return bool(
        rules["greeting_seconds"] < end - start <= rules["announcement_seconds"]
        and start >= margin
        and duration - end >= margin
    )


def _is_waiting(utterances: list[Span]) -> bool:
    """Short words with long pauses: somebody who answered and waits."""
    rules = load_rules()["human"]
    lengths = [end - start for start, end in utterances]
    if lengths[0] > rules["greeting_seconds"]:
        return False
    if sum(lengths) <= rules["greeting_seconds"]:
        return True  # no prompt says so little
    pauses = [b[0] - a[1] for a, b in pairwise(utterances)]
    return all(p >= rules["waiting_seconds"] for p in pauses) and all(
        length <= rules["later_utterance_seconds"] for length in lengths[1:]
    )


def _count_replies(far: list[Span], near: list[Span]) -> int:
    """How often the far side starts within seconds after a turn of the agent, having been quiet."""
    rules = load_rules()["human"]
    count = 0
    turns = join_spans(far, rules["utterance_gap_seconds"])
    for start, end in join_spans(near, rules["utterance_gap_seconds"]):
        if end - start < 0.25:
            continue
        count += any(
            -rules["overlap_seconds"] <= begin - end <= rules["reply_gap_seconds"] and begin > start
            for begin, _ in turns
        )
    return count


def _without_speech(
    far: Heard,
    near_speech: list[Span],
    rings: list[Signal],
    ring_end: float,
    early_music: Span | None,
    duration: float,
    frames: list[Frames],
    recording: Recording,
) -> Verdict:
    rules = load_rules()
    if (
        early_music is not None
        and duration - early_music[1] > rules["ring"]["silent_after_missing_seconds"]
        and _falls_quiet(frames[-1], early_music)
        and far.activity.music[-1][1] <= early_music[1]
    ):
        return Verdict("silence", "silence_after_ring")  # hold music would not have stopped
    if far.activity.music and (early_music or far.activity.music[-1][1] > ring_end):
        return Verdict("music", "music")
    talked = sum(end - start for start, end in near_speech)
    # A room that gives back only the agent's own voice shows nobody in it.
    if (
        talked >= rules["human"]["listener_agent_seconds"]
        and _has_room(frames[-1], ring_end)
        and not find_echoes(recording.samples[0], recording.samples[1], near_speech, near_speech)
    ):
        return Verdict("human", "listener")
    if rings:
        last = rings[-1]
        overdue = duration - (last.tones[-1].start + last.period)
        limit = rules["ring"]["silent_after_missing_seconds"]
        if overdue > limit or talked >= rules["human"]["agent_talks_seconds"]:
            return Verdict("silence", "silence_after_ring")
        return Verdict(
            "no_answer", "ringing" if sum(len(r.tones) for r in rings) > 1 else "ringing_single"
        )
    return Verdict("silence", "silence")


def _falls_quiet(frames: Frames, music: Span) -> bool:
    """Whether nothing but the line is left after the music (20 dB below it, nearly always)."""
    first, last = (round(time * FRAMES_PER_SECOND) for time in music)
    after = frames.level_db[last + FRAMES_PER_SECOND // 2 :]
    loud = float(np.median(frames.level_db[first:last]))
    return bool(after.size and float(np.percentile(after, 95)) < loud - 20.0)


def _has_room(frames: Frames, start: float) -> bool:
    """Whether the channel carries the sound of a place (its level moves), not an idle line."""
    level = frames.level_db[round(start * FRAMES_PER_SECOND) :]
    if level.size < 200:
        return False
    low, high = np.percentile(level, [10, 95])
    return bool(high > -66.0 and high - low > 6.0)


def _collect_evidence(
    sides: list[str],
    heard: list[Heard],
    ring_music: Span | None,
    terminal: Signal | None,
    elsewhere: dict[str, str],
) -> list[Evidence]:
    """Everything that was heard, in order of time; speech by its first stretch a side."""
    items: list[Evidence] = []
    doubt = "".join(f"; in {code} {outcome}" for code, outcome in sorted(elsewhere.items()))
    for side, one in zip(sides, heard, strict=True):
        items += [
            Evidence(
                signal.kind,
                signal.start,
                signal.end,
                f"{side}: {signal.detail}{doubt if signal is terminal else ''}",
            )
            for signal in one.signals
        ]
        items += [
            Evidence(
                "beep",
                beep.start,
                beep.end,
                f"{side}: {'+'.join(f'{hz:.0f}' for hz in beep.hz)} Hz after speech",
            )
            for beep in one.beeps
        ]
        for span in one.activity.music:
            is_ring = (
                ring_music is not None
                and side != "agent"
                and span[0] >= ring_music[0]
                and span[1] <= ring_music[1]
            )
            kind = "colour_ringback" if is_ring else "music"
            items.append(Evidence(kind, span[0], span[1], f"{side}: music"))
        if one.activity.speech:
            start, end = one.activity.speech[0]
            total = sum(b - a for a, b in one.activity.speech)
            items.append(
                Evidence(
                    "speech",
                    start,
                    end,
                    f"{side}: first of {len(one.activity.speech)} stretches, {total:.1f} s in all",
                )
            )
    return sorted(items, key=lambda item: (item.start_seconds, item.kind))
