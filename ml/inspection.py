"""Everything `callmart inspect` says of one recording: one call, from bytes to figures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.audio.activity import THRESHOLDS_PATH, Span
from ml.audio.conversation import Conversation, Turn, describe_conversation
from ml.audio.decode import Recording, UnreadableAudioError, decode, merge
from ml.connection.decision import Connection, analyse
from ml.connection.judge import JUDGE_PATH
from ml.connection.rules import CALIBRATION_PATH, RULES_PATH
from ml.connection.tones import TABLE_PATH

if TYPE_CHECKING:
    from ml.emotion import EmotionModel, SideEmotion

_CODE_VERSION = "1.2.0"
_TONES = {"ringback", "busy", "congestion", "invalid_number", "special_information", "fax"}


@cache
def _analyser_version() -> str:
    digest = hashlib.sha256()
    for path in (TABLE_PATH, THRESHOLDS_PATH, RULES_PATH, CALIBRATION_PATH, JUDGE_PATH):
        digest.update(path.read_bytes())
    return f"{_CODE_VERSION}+{digest.hexdigest()[:8]}"


ANALYSER_VERSION = _analyser_version()
"""Version of the code and, after the plus, a hash of the tables of constants."""


@dataclass(frozen=True)
class Inspection:
    """The report of the contract, and what the warehouse keeps beside it. Times in seconds."""

    report: dict[str, Any]
    """One item of `callmart inspect --json`."""
    turns: list[Turn]
    """(side, start, end); side is agent, customer, or mixed where one channel holds both."""
    codec: str | None
    notes: list[str]
    interruptions: dict[str, int] | None
    """By the side that cut in; None where it cannot be heard."""
    response_medians: dict[str, float | None]
    """By the side that responds (agent: customer's end → agent's start)."""
    mutual_silence_over_3s_seconds: float | None
    processing_seconds: float
    emotions: dict[str, SideEmotion]
    """By side (mixed too), of the default family; a side that says too little is left out."""
    sides: dict[str, dict[str, Any]]
    """Talk, turns, longest turn and first speech by side: agent and customer, or mixed."""
    first_tone_seconds: float | None
    """Where the first call-progress tone begins."""
    outcome_by_country: dict[str, str] = field(default_factory=dict)
    """ISO code of the called number → outcome, where that country's meaning of an ambiguous tone
    leads to another outcome than the report's."""
    emotions_by_family: dict[str, dict[str, SideEmotion]] = field(default_factory=dict)
    """Side → family → judgement, of every family that was asked for."""
    separation: dict[str, Any] | None = None
    """How two voices of one channel were told apart (`ml.audio.speakers.Separation`) and how sure
    that is; None where each side has a channel of its own, or nothing was there to separate."""
    analyser_version: str = ANALYSER_VERSION


def inspect_recording(
    path: str | Path | None = None,
    agent_path: str | Path | None = None,
    customer_path: str | Path | None = None,
    data: bytes | None = None,
    extension: str | None = None,
    agent_data: bytes | None = None,
    customer_data: bytes | None = None,
    agent_extension: str | None = None,
    customer_extension: str | None = None,
    country: str | None = None,
    agent_channel: int = 0,
    with_emotion: bool = True,
    emotion_models: Mapping[str, EmotionModel] | None = None,
    direction: str | None = None,
) -> Inspection:
    """Hear one recording.

    Give one file (`path`, or `data` with the `extension` of its key) or both sides (`agent_…` and
    `customer_…`, each a path or bytes). `agent_channel`: which channel of a stereo file is the
    agent (0 or 1). `emotion_models`: by family, those that judge (default: the shipped model of the
    default family alone). `direction` (outbound, inbound), where it is known, tells which of two
    voices in one channel is the customer. A file that holds no sound gives a report with outcome
    `unreadable` and the reason. Raises `OSError` for a path that cannot be read, `ValueError` for
    neither or half a source.
    """
    began = time.perf_counter()
    single: str | Path | bytes | None = data if data is not None else path
    agent: str | Path | bytes | None = agent_data if agent_data is not None else agent_path
    customer: str | Path | bytes | None = (
        customer_data if customer_data is not None else customer_path
    )
    if (single is None) == (agent is None) or (agent is None) != (customer is None):
        raise ValueError("give one recording, or both an agent's and a customer's side")
    shown = str(path) if path is not None else (str(agent_path) if agent_path is not None else None)
    try:
        if single is not None:
            recording = decode(single, extension)
        elif agent is not None and customer is not None:
            recording = _decode_sides(agent, agent_extension, customer, customer_extension)
    except UnreadableAudioError as error:
        return Inspection(
            report={"path": shown, "outcome": "unreadable", "reason": str(error)},
            turns=[],
            codec=None,
            notes=[],
            interruptions=None,
            response_medians={},
            mutual_silence_over_3s_seconds=None,
            processing_seconds=time.perf_counter() - began,
            emotions={},
            sides={},
            first_tone_seconds=None,
        )
    if single is not None and agent_channel == 1:
        recording = _swap(recording)
    connection = analyse(recording, country)
    notes = list(recording.notes)
    separation = _separate(recording, connection, direction, notes)
    conversation = describe_conversation(
        separation["speech"] if separation else connection.speech,
        recording.duration_seconds,
        overlap_is_heard=separation is None,
    )
    by_family: dict[str, dict[str, SideEmotion]] = {}
    if with_emotion:
        by_family = _describe_emotion(recording, connection, notes, emotion_models)
    emotions = _of_default_family(by_family) if by_family else {}
    report: dict[str, Any] = {
        "path": shown,
        "duration_seconds": _round(recording.duration_seconds),
        "sample_rate_hz": recording.source_sampling_rate,
        "channels": recording.source_channels,
        "is_answered": connection.is_answered,
        "is_connected": connection.is_connected,
        "outcome": connection.outcome,
        "confidence": _round(connection.confidence),
        "ring_seconds": _round(connection.ring_seconds),
        "answered_at_seconds": _round(connection.answered_at_seconds),
        "evidence": [
            {key: _round(value) for key, value in asdict(item).items()}
            for item in connection.evidence
        ],
        "speech": {
            **_speech_report(connection, conversation),
            "separation": separation and separation["told"],
        },
        "emotion": {
            side: emotions[side].as_dict() if side in emotions else None
            for side in ("agent", "customer")
        },
    }
    return Inspection(
        report=report,
        turns=conversation.turns,
        codec=recording.codec,
        notes=notes,
        interruptions=conversation.interruptions,
        response_medians=conversation.response_medians,
        mutual_silence_over_3s_seconds=conversation.mutual_silence_over_3s_seconds,
        processing_seconds=time.perf_counter() - began,
        emotions=emotions,
        emotions_by_family=by_family,
        outcome_by_country=connection.outcome_by_country,
        sides={side: _side_report(conversation, side) for side in conversation.talk_seconds},
        separation=separation and separation["told"],
        first_tone_seconds=min(
            (item.start_seconds for item in connection.evidence if item.kind in _TONES),
            default=None,
        ),
    )


def _decode_sides(
    agent: str | Path | bytes,
    agent_extension: str | None,
    customer: str | Path | bytes,
    customer_extension: str | None,
) -> Recording:
    """Both sides of the two-file form; where one cannot be read its reason names the side."""
    sides = []
    for name, source, extension in (
        ("agent", agent, agent_extension),
        ("customer", customer, customer_extension),
    ):
        try:
            sides.append(decode(source, extension))
        except UnreadableAudioError as error:
            raise UnreadableAudioError(f"{name}'s side: {error}") from error
    return merge(sides[0], sides[1])


def _swap(recording: Recording) -> Recording:
    from dataclasses import replace

    return replace(recording, samples=recording.samples[::-1])


def _separate(
    recording: Recording, connection: Connection, direction: str | None, notes: list[str]
) -> dict[str, Any] | None:
    """Two voices in one channel, where a person was there: what is told of it, and speech by side.

    The sides get their names only where both voices are plain and the call was ours: then the one
    who was called speaks first. A ring that is heard shows it where no `direction` was given.
    """
    from ml.audio.speakers import separate_speakers
    from ml.audio.spectrum import compute_frames

    if connection.outcome != "human" or list(connection.speech) != ["mixed"]:
        return None
    if recording.samples.shape[0] != 1:
        return None
    frames, _ = compute_frames(recording)
    found = separate_speakers(recording.samples[0], frames[0], connection.speech["mixed"])
    if found is None:
        return None
    outbound = direction == "outbound" or (direction is None and connection.ring_seconds > 0)
    speech = connection.speech
    if found.is_first_sure and outbound:
        speech = {"agent": found.voices[1], "customer": found.voices[0]}
        notes.append(
            "one channel: two voices told apart by their sound "
            f"({found.purity:.0%} of the speech on the right side), the first one is the customer"
        )
    voices = {"first": found.voices[0], "second": found.voices[1]}
    apart = describe_conversation(voices, recording.duration_seconds, overlap_is_heard=False)
    told = found.as_dict() | {
        "are_sides_named": speech is not connection.speech,
        # In the order in which they are first heard.
        "voices": [_side_report(apart, name) for name in voices] if found.is_sure else None,
    }
    return {"told": told, "speech": speech}


def _speech_report(connection: Connection, conversation: Conversation) -> dict[str, Any]:
    """The contract's `speech`; null for a side that one channel does not let us tell."""
    names = {side: side for side in ("agent", "customer") if side in conversation.talk_seconds}
    if connection.outcome in ("voicemail", "ivr") and "mixed" in connection.speech:
        # A machine alone: what was heard is certainly the called side.
        names = {"customer": "mixed"}
    sides = {
        side: _side_report(conversation, names[side]) if side in names else None
        for side in ("agent", "customer")
    }
    counts = conversation.interruptions
    return {
        **sides,
        "silence_seconds": _round(conversation.silence_seconds),
        "overlap_seconds": _round(conversation.overlap_seconds),
        "interruptions": None if counts is None else sum(counts.values()),
        "response_seconds_median": _round(conversation.response_medians.get("agent")),
    }


def _side_report(conversation: Conversation, side: str) -> dict[str, Any]:
    return {
        "talk_seconds": _round(conversation.talk_seconds[side]),
        "turns": conversation.turn_counts[side],
        "longest_turn_seconds": _round(conversation.longest_turn_seconds[side]),
        "first_speech_seconds": _round(conversation.first_speech_seconds[side]),
    }


def _describe_emotion(
    recording: Recording,
    connection: Connection,
    notes: list[str],
    models: Mapping[str, EmotionModel] | None,
) -> dict[str, dict[str, SideEmotion]]:
    """Emotion by side and family; a side that is unknown or says too little is left out.

    A model that is missing or broken costs the emotion, with a note, and not the whole verdict.
    """
    from ml import emotion
    from ml.emotion.model import shipped_model

    speech: dict[str, list[Span]] = connection.speech
    try:
        judges = {emotion.DEFAULT: shipped_model(emotion.DEFAULT)} if models is None else models
        return emotion.describe_families(
            recording.samples, recording.sampling_rate, speech, recording.sides, judges
        )
    except emotion.ModelError as error:
        notes.append(f"no emotion: {error}")
        return {}


def _of_default_family(by_family: dict[str, dict[str, SideEmotion]]) -> dict[str, SideEmotion]:
    """By side, what the default family says, or where it was not asked the first that was."""
    from ml.emotion import DEFAULT

    return {
        side: judged.get(DEFAULT, next(iter(judged.values()))) for side, judged in by_family.items()
    }


def _round(value: Any) -> Any:
    """Milliseconds and three places are all that a reader needs."""
    return round(value, 3) if isinstance(value, float) else value
