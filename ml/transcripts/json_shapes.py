"""The shapes of JSON that recognisers write."""

from __future__ import annotations

from typing import Any, Final

from ml.transcripts.draft import Draft, DraftSegment, DraftWord
from ml.transcripts.model import TranscriptError

# A pause that ends a segment where a supplier gives words alone: longer than a breath.
_PAUSE_MS: Final = 1500
# Recognisers write these scripts without blanks between words.
_UNSPACED: Final = ("zh", "ja", "yue", "cmn", "th")


def read(document: Any) -> Draft:
    """Any known shape. Raises TranscriptError."""
    if isinstance(document, list):
        if all(isinstance(item, dict) and "text" in item for item in document):
            document = {"segments": document}
        else:
            raise TranscriptError("a JSON list that holds no segments")
    if not isinstance(document, dict):
        raise TranscriptError("JSON, but not an object")
    if isinstance(document.get("Transcript"), list):
        return _call_analytics(document)
    if isinstance(document.get("results"), dict):
        return _amazon_standard(document)
    if isinstance(document.get("transcription"), list):
        return _whisper_cpp(document)
    if "segments" in document:
        segments = document["segments"]
        if not isinstance(segments, list):
            raise TranscriptError("segments is not a list")
        keys = {key for item in segments if isinstance(item, dict) for key in item}
        if "start" in keys and not keys & {"start_ms", "role"}:
            return _head(_whisper(document, segments), document)
        return _head(_own(segments), document)
    if isinstance(document.get("text"), str) and isinstance(document.get("language"), str):
        draft = Draft("whisper", [DraftSegment(document["text"])])
        draft.language = document["language"]
        return draft
    raise TranscriptError(
        "JSON of no known shape: no segments, no Transcript, no results, no transcription"
    )


def _items(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TranscriptError(f"{what} is not a list")
    for place, item in enumerate(value):
        if not isinstance(item, dict):
            raise TranscriptError(f"{what} {place} is not an object")
    return value


def _text(item: dict[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise TranscriptError(f"{where}: {key} is not text")
    return value


def _optional_text(value: Any, what: str, problems: list[str]) -> str | None:
    if value is None or isinstance(value, str):
        return value
    problems.append(f"{what} is not text, left out")
    return None


def _seconds(value: Any) -> Any:
    """Seconds as milliseconds; what is no number goes through, to be noted later."""
    if isinstance(value, bool) or value is None:
        return value
    try:
        return float(value) * 1000
    except (TypeError, ValueError):
        return value


def _head(draft: Draft, document: dict[str, Any]) -> Draft:
    """What the contract's own form says of the call as a whole."""
    call_id = document.get("call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise TranscriptError("call_id is not text")
    draft.call_id = call_id or None
    draft.language = _optional_text(document.get("language"), "language", draft.problems)
    draft.engine = _optional_text(document.get("engine"), "engine", draft.problems)
    connected = document.get("is_connected")
    if connected is None or isinstance(connected, bool):
        draft.is_connected = connected
    else:
        draft.problems.append("is_connected is neither true nor false, left out")
    return draft


def _own(segments: list[Any]) -> Draft:
    draft = Draft("callmart", [])
    for place, item in enumerate(_items(segments, "segment")):
        where = f"segment {place}"
        role = item.get("role", item.get("speaker"))
        segment = DraftSegment(
            _text(item, "text", where),
            item.get("start_ms"),
            item.get("end_ms"),
            _optional_text(role, f"{where}: role", draft.problems),
        )
        segment.words = _words(item.get("words"), where, draft.problems, _own_word)
        draft.segments.append(segment)
    return draft


def _own_word(item: dict[str, Any]) -> DraftWord | None:
    text = item.get("text")
    if not isinstance(text, str):
        return None
    return text, item.get("start_ms"), item.get("end_ms"), item.get("confidence")


def _whisper_word(item: dict[str, Any]) -> DraftWord | None:
    text = item.get("word", item.get("text"))
    if not isinstance(text, str):
        return None
    confidence = item.get("probability", item.get("score", item.get("confidence")))
    return text, _seconds(item.get("start")), _seconds(item.get("end")), confidence


def _words(value: Any, where: str, problems: list[str], read_word: Any) -> list[DraftWord]:
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(f"{where}: words is not a list, left out")
        return []
    words = [read_word(item) if isinstance(item, dict) else None for item in value]
    known = [word for word in words if word is not None]
    if len(known) < len(words):
        problems.append(f"{where}: {len(words) - len(known)} words without text left out")
    return known


def _whisper(document: dict[str, Any], segments: list[Any]) -> Draft:
    """openai-whisper, faster-whisper and WhisperX (whose segments and words have a speaker)."""
    items = _items(segments, "segment")
    is_x = "word_segments" in document or any("speaker" in item for item in items)
    draft = Draft("whisperx" if is_x else "whisper", [])
    for place, item in enumerate(items):
        where = f"segment {place}"
        segment = DraftSegment(
            _text(item, "text", where),
            _seconds(item.get("start")),
            _seconds(item.get("end")),
            _optional_text(item.get("speaker"), f"{where}: speaker", draft.problems),
        )
        segment.words = _words(item.get("words"), where, draft.problems, _whisper_word)
        draft.segments.append(segment)
    return draft


def _whisper_cpp(document: dict[str, Any]) -> Draft:
    draft = Draft("whisper.cpp", [])
    result = document.get("result")
    if isinstance(result, dict):
        draft.language = _optional_text(result.get("language"), "language", draft.problems)
    for place, item in enumerate(_items(document["transcription"], "segment")):
        offsets = item.get("offsets")
        span = offsets if isinstance(offsets, dict) else {}
        draft.segments.append(
            DraftSegment(
                _text(item, "text", f"segment {place}"),
                span.get("from"),
                span.get("to"),
                _optional_text(item.get("speaker"), f"segment {place}: speaker", draft.problems),
            )
        )
    return draft


def _call_analytics(document: dict[str, Any]) -> Draft:
    """Amazon Transcribe Call Analytics, and Contact Lens, which names participants by id."""
    draft = Draft("amazon_transcribe_call_analytics", [])
    draft.engine = "amazon transcribe"
    draft.language = _optional_text(document.get("LanguageCode"), "LanguageCode", draft.problems)
    roles: dict[str, str] = {}
    participants = document.get("Participants")
    for item in participants if isinstance(participants, list) else []:
        if isinstance(item, dict) and isinstance(item.get("ParticipantId"), str):
            role = item.get("ParticipantRole")
            if isinstance(role, str):
                roles[item["ParticipantId"]] = role
    for place, item in enumerate(_items(document["Transcript"], "segment")):
        where = f"segment {place}"
        role = item.get("ParticipantRole")
        if role is None and isinstance(item.get("ParticipantId"), str):
            role = roles.get(item["ParticipantId"], item["ParticipantId"])
        segment = DraftSegment(
            _text(item, "Content", where),
            item.get("BeginOffsetMillis"),
            item.get("EndOffsetMillis"),
            _optional_text(role, f"{where}: ParticipantRole", draft.problems),
        )
        words = item.get("Items")
        if isinstance(words, list):
            words = [w for w in words if isinstance(w, dict) and w.get("Type") != "punctuation"]
        segment.words = _words(words, where, draft.problems, _analytics_word)
        draft.segments.append(segment)
    return draft


def _analytics_word(item: dict[str, Any]) -> DraftWord | None:
    text = item.get("Content")
    if not isinstance(text, str):
        return None
    return text, item.get("BeginOffsetMillis"), item.get("EndOffsetMillis"), item.get("Confidence")


# --- Amazon Transcribe, standard ----------------------------------------------------------------


def _amazon_standard(document: dict[str, Any]) -> Draft:
    results = document["results"]
    draft = Draft("amazon_transcribe", [], engine="amazon transcribe")
    draft.language = _optional_text(results.get("language_code"), "language_code", draft.problems)
    channels = results.get("channel_labels")
    speakers = results.get("speaker_labels")
    if isinstance(channels, dict):
        draft.segments = _by_channel(channels, draft)
    elif isinstance(speakers, dict):
        draft.segments = _by_speaker(speakers, results, draft)
    elif isinstance(results.get("audio_segments"), list):
        words = _tokens(results.get("items"), None, draft)
        for place, item in enumerate(_items(results["audio_segments"], "audio segment")):
            segment = DraftSegment(
                _text(item, "transcript", f"audio segment {place}"),
                _seconds(item.get("start_time")),
                _seconds(item.get("end_time")),
            )
            wanted = item.get("items")
            chosen = [
                words[n]
                for n in (wanted if isinstance(wanted, list) else [])
                if isinstance(n, int) and 0 <= n < len(words)
            ]
            segment.words = [w.word for w in chosen if not w.is_punctuation]
            draft.segments.append(segment)
    elif isinstance(results.get("items"), list):
        words = _tokens(results["items"], None, draft)
        if words:
            draft.segments = [_joined(words, draft.language)]
    elif isinstance(results.get("transcripts"), list):
        draft.segments = [
            DraftSegment(_text(item, "transcript", f"transcript {place}"))
            for place, item in enumerate(_items(results["transcripts"], "transcript"))
        ]
    else:
        raise TranscriptError("results without items, audio_segments or transcripts")
    return draft


class _Token:
    """One item of Amazon's list: a word or a mark."""

    def __init__(self, item: dict[str, Any], label: str | None, place: int) -> None:
        alternatives = item.get("alternatives")
        best = alternatives[0] if isinstance(alternatives, list) and alternatives else {}
        if not isinstance(best, dict) or not isinstance(best.get("content"), str):
            raise TranscriptError(f"item {place}: no content")
        self.text: str = best["content"]
        self.is_punctuation = item.get("type") == "punctuation"
        self.start = _seconds(item.get("start_time"))
        self.end = _seconds(item.get("end_time"))
        self.label = label
        self.confidence = best.get("confidence")

    @property
    def word(self) -> DraftWord:
        return self.text, self.start, self.end, self.confidence


def _tokens(value: Any, label: str | None, draft: Draft) -> list[_Token]:
    tokens = []
    for place, item in enumerate(_items(value if value is not None else [], "item")):
        said = label
        for key in ("channel_label", "speaker_label"):
            if said is None and isinstance(item.get(key), str):
                said = item[key]
        tokens.append(_Token(item, said, place))
    return tokens


def _joined(tokens: list[_Token], language: str | None) -> DraftSegment:
    """One segment of items: blanks between words, none before a mark."""
    spaced = not (language or "").lower().startswith(_UNSPACED)
    parts: list[str] = []
    for token in tokens:
        if parts and spaced and not token.is_punctuation:
            parts.append(" ")
        parts.append(token.text)
    timed = [t for t in tokens if not t.is_punctuation]
    return DraftSegment(
        "".join(parts),
        timed[0].start if timed else None,
        timed[-1].end if timed else None,
        tokens[0].label,
        [t.word for t in timed],
    )


def _runs(tokens: list[_Token], language: str | None) -> list[DraftSegment]:
    """Segments of one speaker each, cut also at long pauses."""
    segments: list[DraftSegment] = []
    run: list[_Token] = []
    last_end: float | None = None
    for token in tokens:
        pause = (
            isinstance(token.start, float)
            and last_end is not None
            and token.start - last_end > _PAUSE_MS
        )
        if run and not token.is_punctuation and (token.label != run[-1].label or pause):
            segments.append(_joined(run, language))
            run = []
        run.append(token)
        if isinstance(token.end, float):
            last_end = token.end
    if run:
        segments.append(_joined(run, language))
    return segments


def _by_channel(channels: dict[str, Any], draft: Draft) -> list[DraftSegment]:
    tokens: list[tuple[float, int, _Token]] = []
    for channel in _items(channels.get("channels"), "channel"):
        label = channel.get("channel_label")
        if not isinstance(label, str):
            raise TranscriptError("a channel without channel_label")
        latest = 0.0
        for token in _tokens(channel.get("items"), label, draft):
            # A mark has no time of its own: it stays behind its word.
            latest = token.start if isinstance(token.start, float) else latest
            tokens.append((latest, len(tokens), token))
    tokens.sort(key=lambda entry: entry[:2])
    return _runs([token for _, _, token in tokens], draft.language)


def _by_speaker(
    speakers: dict[str, Any], results: dict[str, Any], draft: Draft
) -> list[DraftSegment]:
    tokens = _tokens(results.get("items"), None, draft)
    turns = speakers.get("segments")
    by_time: dict[Any, tuple[int, str]] = {}
    for place, turn in enumerate(turns if isinstance(turns, list) else []):
        if not isinstance(turn, dict) or not isinstance(turn.get("speaker_label"), str):
            raise TranscriptError(f"speaker segment {place}: no speaker_label")
        for item in turn.get("items") or []:
            if isinstance(item, dict):
                by_time[_seconds(item.get("start_time"))] = (place, turn["speaker_label"])
    groups: list[tuple[int | None, list[_Token]]] = []
    for token in tokens:
        turn_place, label = by_time.get(token.start, (None, token.label))
        if token.is_punctuation and groups:
            groups[-1][1].append(token)
            continue
        token.label = label
        same = bool(groups) and groups[-1][0] == turn_place and groups[-1][1][0].label == label
        if same:
            groups[-1][1].append(token)
        else:
            groups.append((turn_place, [token]))
    return [_joined(group, draft.language) for _, group in groups]
