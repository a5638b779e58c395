"""Finding what the rules forbid or require in a transcript."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import re2

from ml.phrases import folding, pronunciation, rules
from ml.phrases.folding import GAP_BLANK, GAP_NONE, GAP_OTHER, Folded
from ml.phrases.index import PhraseIndex
from ml.phrases.rules import Rule, rule_hash
from ml.phrases.spelling import SlipIndex
from ml.transcripts import Segment, Transcript, in_time_order

# A back-channel ("mm-hm", "好的") lets the other side's turn go on.
_BACK_CHANNEL_CHARACTERS: Final = 3
_BACK_CHANNEL_WORDS: Final = 2
# Delivered characters on each side that a hit shows as its context.
_CONTEXT_CHARS: Final = 40
# RE2 builds automata as it goes, up to this; a set over budget would quietly find nothing.
_REGEX_MEMORY: Final = 256 << 20
_FULL_SCORE: Final = 100.0

_ANY, _ALL, _REQUIRE, _REGEX = range(4)


@dataclass(frozen=True)
class Hit:
    """One place where a rule is broken.

    kind: prohibited (something was said) or missing (something was not)
    role: the side that spoke; None where unknown; the rule's role for a missing phrase
    start_ms, end_ms: of the words, where words have times, else of the segments
    segment_index: delivered place of the segment in which the hit starts; segment_end_index: in
        which it ends, where that is another one
    char_start, char_end: code points of those segments' delivered texts, end exclusive
    text: as delivered; pieces of several segments joined by line feeds
    condition: `connected` where the hit counts only on a connected call
    context: what was said around it, as delivered
    """

    call_id: str
    rule_id: str
    kind: Literal["prohibited", "missing"]
    role: str | None
    start_ms: int | None
    end_ms: int | None
    segment_index: int | None
    segment_end_index: int | None
    char_start: int | None
    char_end: int | None
    text: str | None
    severity: str
    points: float
    condition: Literal["always", "connected"] = "always"
    rule_hash: str = ""
    context: str | None = None

    def as_item(self) -> dict[str, Any]:
        """The hit as the command line prints it."""
        points = int(self.points) if self.points == int(self.points) else self.points
        return {
            "call_id": self.call_id,
            "rule_id": self.rule_id,
            "kind": self.kind,
            "role": self.role,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "segment_index": self.segment_index,
            "segment_end_index": self.segment_end_index,
            "char_start": self.char_start,
            "char_end": self.char_end,
            "text": self.text,
            "severity": self.severity,
            "points": points,
        }


def score(hits: Iterable[Hit]) -> float:
    """A call's score: 100 less each broken rule's points once, never below 0."""
    points = {hit.rule_id: hit.points for hit in hits}
    return max(0.0, _FULL_SCORE - sum(points.values()))


# --- phrases, prepared -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Phrase:
    """A phrase of a rule, folded.

    joints: for each pair of neighbours of the folded phrase what must lie between the two in the
        text: GAP_NONE no blank (inside a word), GAP_BLANK something (between words), GAP_OTHER
        whatever there is
    """

    rule: int
    group: int
    number: int
    joints: bytes
    checks_joints: bool
    starts_word: bool
    ends_word: bool


def _joints(folded: Folded) -> bytes:
    joints = bytearray()
    for place in range(len(folded.text) - 1):
        both_letters = folded.spaced[place] == 1 and folded.spaced[place + 1] == 1
        gap = folded.gaps[place] if both_letters else GAP_OTHER
        joints.append(gap if gap in (GAP_NONE, GAP_BLANK) else GAP_OTHER)
    return bytes(joints)


def _prepare(folded: Folded, rule: int, group: int, number: int) -> _Phrase:
    joints = _joints(folded)
    return _Phrase(
        rule=rule,
        group=group,
        number=number,
        joints=joints,
        checks_joints=any(joint != GAP_OTHER for joint in joints),
        starts_word=bool(folded.spaced[0]),
        ends_word=bool(folded.spaced[-1]),
    )


def _is_whole(phrase: _Phrase, text: Folded, start: int, end: int) -> bool:
    """Whether words of the phrase are whole words of the text at [start, end)."""
    if phrase.starts_word and text.inside_word(int(text.places[start]), -1):
        return False
    if phrase.ends_word and text.inside_word(int(text.places[end - 1]) + 1, 1):
        return False
    if phrase.checks_joints:
        for place, wanted in enumerate(phrase.joints, start):
            if wanted == GAP_OTHER:
                continue
            gap = text.gap_behind(place)
            if (wanted == GAP_NONE and gap == GAP_BLANK) or (
                wanted == GAP_BLANK and gap == GAP_NONE
            ):
                return False
    return True


# --- patterns, prepared ---------------------------------------------------------------------------


def _is_anchored(pattern: str) -> bool:
    """Whether a pattern may ask for the start or end of its text."""
    bare = re.sub(r"\\[^AzZ]|\[\^?\]?[^\]]*\]", "", pattern)
    return any(anchor in bare for anchor in ("^", "$", "\\A", "\\z", "\\Z"))


class _PatternGroup:
    """Patterns that are held against a text all at once."""

    def __init__(self, patterns: Sequence[tuple[int, str]], is_anchored: bool) -> None:
        """patterns: (number of the rule, pattern)."""
        self.is_anchored = is_anchored
        self._compiled = [(number, rules.compile_regex(pattern)) for number, pattern in patterns]
        options = rules.regex_options()
        options.max_mem = _REGEX_MEMORY
        self._set = re2.Set.SearchSet(options)
        for _, pattern in patterns:
            self._set.Add(rules.narrow_pattern(pattern))
        self._set.Compile()

    def matching(self, text: str) -> list[tuple[int, Any]]:
        """The patterns that match somewhere, with their rules' numbers."""
        return [self._compiled[which] for which in self._set.Match(text) or ()]


# --- a transcript as one text ----------------------------------------------------------------------


# What one speaker says without being interrupted: the side, and the segments in order of time.
_Turn = tuple[str | None, list[Segment]]
# A side speaks with one voice; without sides the supplier's label tells speakers apart.
_Speaker = str | tuple[str | None]

# Four ideographs or three English words: no back-channel, whatever else is there.
_LOOKED_AT: Final = 60  # characters; what has shown nothing by then is counted
_SURELY_LONG: Final = re.compile(r"[\u4e00-\u9fff]{4}|(?:[A-Za-z]+[ ,]+){2}[A-Za-z]")


def _turns(segments: Sequence[Segment]) -> list[_Turn]:
    """Join the turns of each speaker, across back-channels too."""
    perhaps = [
        place
        for place, segment in enumerate(segments)
        if not _SURELY_LONG.search(
            segment.text, segment.speech_start, segment.speech_start + _LOOKED_AT
        )
    ]
    sizes = folding.speech_sizes([segments[n].text[segments[n].speech_start :] for n in perhaps])
    short = {
        place: (characters, words)
        for place, characters, words in zip(
            perhaps, *(size.tolist() for size in sizes), strict=True
        )
        if characters <= _BACK_CHANNEL_CHARACTERS and words <= _BACK_CHANNEL_WORDS
    }
    turns: list[_Turn] = []
    running: dict[_Speaker, _Turn] = {}
    # What others have said since a running speaker's last segment: characters and words.
    between: dict[_Speaker, tuple[int, int]] = {}
    alone: _Speaker | None = None  # the one running speaker behind a long segment
    for place, segment in enumerate(segments):
        speaker = segment.role or (segment.speaker,)
        if speaker == alone and place not in short:
            turns[-1][1].append(segment)
            continue
        turn = running.get(speaker)
        if turn is None:
            turn = (segment.role, [segment])
            turns.append(turn)
        else:
            turn[1].append(segment)
        if place not in short:
            running = {speaker: turn}
            between.clear()
            alone = speaker if turn is turns[-1] else None
            continue
        alone = None
        running[speaker] = turn
        between.pop(speaker, None)
        for other in [key for key in running if key != speaker]:
            before = between.get(other, (0, 0))
            total = (before[0] + short[place][0], before[1] + short[place][1])
            between[other] = total
            if not _is_back_channel(*total):
                del running[other], between[other]
    return turns


def _is_back_channel(characters: int, words: int) -> bool:
    if not characters or not words:
        return characters <= _BACK_CHANNEL_CHARACTERS and words <= _BACK_CHANNEL_WORDS
    return characters + words <= _BACK_CHANNEL_WORDS


class _Text:
    """All turns of a transcript in one buffer, folded, with the way back to the segments."""

    def __init__(self, transcript: Transcript) -> None:
        self.in_time = in_time_order(transcript.segments)
        turns = _turns(self.in_time)
        self.roles = [role for role, _ in turns]
        self.segments = [segment for _, segments in turns for segment in segments]
        texts = [segment.text for segment in self.segments]
        # Every segment ends with a line feed: a blank that ends words and sentences. The one at
        # the end of a turn becomes a barrier.
        self.raw = "\n".join([*texts, ""])
        ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.intp, count=len(texts)) + 1)
        self.segment_starts: list[int] = [0, *ends[:-1].tolist()]
        sizes = np.fromiter((len(segments) for _, segments in turns), np.intp, len(turns))
        # Of each turn the first segment's number in the buffer, and one more at the end.
        firsts = np.concatenate(([0], np.cumsum(sizes)))
        self._first_segments: list[int] = firsts.tolist()
        barriers = ends[firsts[1:] - 1] - 1
        silent = [
            place
            for start, segment in zip(self.segment_starts, self.segments, strict=True)
            if segment.speech_start
            for place in range(start, start + segment.speech_start)
        ]
        self.folded = folding.fold(self.raw, barriers, np.array(silent, dtype=np.intp))
        bounds = np.searchsorted(self.folded.places, barriers)
        # The folded text of turn n is [turn_starts[n], turn_ends[n]).
        self.turn_ends: list[int] = bounds.tolist()
        self.turn_starts: list[int] = [0, *(bounds[:-1] + 1).tolist()]

    def is_spoken(self, turn: int) -> bool:
        """Whether anything is said in a turn."""
        return self.turn_ends[turn] > self.turn_starts[turn]

    def turn_of_segment(self, number: int) -> int:
        return bisect_right(self._first_segments, number) - 1

    def turn_places(self, turn: int) -> tuple[int, int]:
        """Where a turn starts and ends in the buffer as delivered."""
        last = self._first_segments[turn + 1] - 1
        end = self.segment_starts[last] + len(self.segments[last].text)
        return self.segment_starts[self._first_segments[turn]], end

    def turn_at(self, folded_place: int) -> int:
        return bisect_right(self.turn_starts, folded_place) - 1

    def locate(self, raw_place: int) -> tuple[int, int]:
        """The segment (its number in the buffer) of a raw place, and the offset in its text."""
        number = bisect_right(self.segment_starts, raw_place) - 1
        return number, raw_place - self.segment_starts[number]


@dataclass(frozen=True)
class _Find:
    """A phrase or pattern found: raw places, folded places, the turn."""

    start: int
    end: int
    folded_start: int
    folded_end: int
    turn: int
    group: int
    number: int


class Matcher:
    """Rules made ready to be held against transcripts.

    Finding costs by the text and by what is found in it, hardly by the number of rules.
    """

    def __init__(self, wanted: Iterable[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(wanted)
        self._known_active: dict[tuple[str | None, bool], list[bool]] = {}
        self._hashes = [rule_hash(rule) for rule in self.rules]
        literal: dict[str, list[_Phrase]] = {}
        by_sound: dict[str, dict[str, list[_Phrase]]] = {"strict": {}, "loose": {}}
        slips: list[tuple[Folded, int, _Phrase]] = []
        patterns: list[tuple[int, str]] = []
        self._unless: list[list[tuple[str, _Phrase]]] = []
        self._requiring: list[int] = []
        for number, rule in enumerate(self.rules):
            for group, texts in ((_ANY, rule.any), (_ALL, rule.all), (_REQUIRE, rule.require)):
                for place, text in enumerate(texts):
                    folded = folding.fold(text)
                    phrase = _prepare(folded, number, group, place)
                    literal.setdefault(folded.text, []).append(phrase)
                    slips.append((folded, rule.max_edits, phrase))
                    if rule.homophones != "no" and folding.han_mask(folded.codes).any():
                        sounds = pronunciation.sound_codes(folded)
                        if rule.homophones == "loose":
                            sounds = pronunciation.loosened(sounds)
                        key = folding.text_of(sounds)
                        by_sound[rule.homophones].setdefault(key, []).append(phrase)
            self._unless.append(
                [
                    (folded.text, _prepare(folded, number, _ANY, 0))
                    for folded in map(folding.fold, rule.unless)
                ]
            )
            patterns.extend((number, pattern) for pattern in rule.regex)
            if rule.require:
                self._requiring.append(number)
        self._literal = PhraseIndex({text: tuple(found) for text, found in literal.items()})
        self._by_sound = {
            kind: PhraseIndex({key: tuple(found) for key, found in keys.items()})
            for kind, keys in by_sound.items()
            if keys
        }
        self._slips = SlipIndex(slips)
        self._pattern_groups = [
            _PatternGroup(chosen, is_anchored)
            for is_anchored in (False, True)
            if (chosen := [(n, p) for n, p in patterns if _is_anchored(p) == is_anchored])
        ]

    def find(
        self,
        transcript: Transcript,
        is_connected: bool | None = None,
        evaluate_connected: bool = True,
    ) -> list[Hit]:
        """All hits, in order of time; missing phrases last.

        is_connected: used where the transcript does not say; None: connected when the customer
            speaks at least once
        evaluate_connected: False keeps what `when: connected` asks for as candidates (see
            Hit.condition) whether the call is connected or not, for a later decision
        """
        if not transcript.segments:
            return []
        if transcript.is_connected is not None:
            is_connected = transcript.is_connected
        text = _Text(transcript)
        if is_connected is None:
            is_connected = self._speaks(text, "customer")
        active = self._active(transcript.language, is_connected or not evaluate_connected)
        found = self._find_all(text, active)
        maker = _HitMaker(transcript, text)
        hits: list[tuple[tuple[float, int, int, int, str], Hit]] = []
        for number, finds in found.items():
            rule = self.rules[number]
            hits.extend(
                maker.prohibited(rule, self._hashes[number], find)
                for find in self._prohibited(rule, number, finds, text)
            )
        hits.sort(key=lambda entry: entry[0])
        missing = [
            maker.missing(self.rules[number], self._hashes[number])
            for number in self._requiring
            if active[number] and self._is_missing(number, found.get(number, []), text, maker)
        ]
        missing.sort(key=lambda hit: hit.rule_id)
        return [hit for _, hit in hits] + missing

    def _active(self, language: str | None, with_connected: bool) -> list[bool]:
        """Which rules count for a transcript; few languages occur, so they are remembered."""
        key = (language, with_connected)
        if key not in self._known_active:
            self._known_active[key] = [
                rule.applies_to(language) and (with_connected or rule.when == "always")
                for rule in self.rules
            ]
        return self._known_active[key]

    @staticmethod
    def _speaks(text: _Text, wanted: str) -> bool:
        """Whether a side says anything at all."""
        return any(
            wanted in ("any", role) and text.is_spoken(number)
            for number, role in enumerate(text.roles)
        )

    def _find_all(self, text: _Text, active: list[bool]) -> dict[int, list[_Find]]:
        """Everything found, by rule: phrases literally, by sound and with slips; patterns."""
        folded = text.folded
        found: dict[int, set[_Find]] = {}

        def note(start: int, end: int, phrase: _Phrase) -> None:
            turn = text.turn_at(start)
            rule = self.rules[phrase.rule]
            if rule.role != "any" and text.roles[turn] != rule.role:
                return
            found.setdefault(phrase.rule, set()).add(
                _Find(
                    int(folded.places[start]),
                    int(folded.places[end - 1]) + 1,
                    start,
                    end,
                    turn,
                    phrase.group,
                    phrase.number,
                )
            )

        def note_whole(finds: Iterable[tuple[int, int, tuple[_Phrase, ...]]]) -> None:
            for start, end, phrases in finds:
                for phrase in phrases:
                    if active[phrase.rule] and _is_whole(phrase, folded, start, end):
                        note(start, end, phrase)

        note_whole(self._literal.find(folded.text, folded.codes))
        if self._by_sound and folding.han_mask(folded.codes).any():
            sounds = pronunciation.sound_codes(folded)
            if "strict" in self._by_sound:
                note_whole(self._by_sound["strict"].find(folding.text_of(sounds), sounds))
            if "loose" in self._by_sound:
                loose = pronunciation.loosened(sounds)
                note_whole(self._by_sound["loose"].find(folding.text_of(loose), loose))
        for start, end, phrase in self._slips.find(folded):
            if active[phrase.rule]:
                note(start, end, phrase)
        if self._pattern_groups:
            self._find_patterns(text, active, found)
        return {number: list(finds) for number, finds in found.items()}

    def _find_patterns(self, text: _Text, active: list[bool], found: dict[int, set[_Find]]) -> None:
        plain = folding.plain(text.raw)
        places = text.folded.places
        for group in self._pattern_groups:
            # Line feeds part the segments, so what a segment holds the whole text holds too.
            if not group.is_anchored and not group.matching(plain):
                continue
            for number, segment in enumerate(text.segments):
                begin = text.segment_starts[number] + segment.speech_start
                said = plain[begin : text.segment_starts[number] + len(segment.text)]
                for rule_number, pattern in group.matching(said) if said else ():
                    role = self.rules[rule_number].role
                    if not active[rule_number] or role not in ("any", segment.role):
                        continue
                    for match in pattern.finditer(said):
                        start, end = begin + match.start(), begin + match.end()
                        if start == end:
                            continue
                        find = _Find(
                            start,
                            end,
                            int(np.searchsorted(places, start)),
                            int(np.searchsorted(places, end)),
                            text.turn_of_segment(number),
                            _REGEX,
                            0,
                        )
                        found.setdefault(rule_number, set()).add(find)

    # --- what the finds of a rule come to ---

    def _prohibited(self, rule: Rule, number: int, finds: list[_Find], text: _Text) -> list[_Find]:
        if rule.any or rule.regex:
            complete = self._complete_turns(rule, finds) if rule.all else None
            main = [
                find
                for find in finds
                if find.group in (_ANY, _REGEX) and (complete is None or find.turn in complete)
            ]
            return [f for f in _longest(main) if not self._is_cleared(rule, number, f, text)]
        if rule.all:
            whole = []
            for turn in sorted(self._complete_turns(rule, finds)):
                parts = [f for f in finds if f.group == _ALL and f.turn == turn]
                for find in _coverings(parts, len(rule.all)):
                    if not self._is_cleared(rule, number, find, text):
                        whole.append(find)
                        break
            return whole
        return []

    @staticmethod
    def _complete_turns(rule: Rule, finds: list[_Find]) -> set[int]:
        """The turns in which all of `all` were found."""
        seen: dict[int, set[int]] = {}
        for find in finds:
            if find.group == _ALL:
                seen.setdefault(find.turn, set()).add(find.number)
        return {turn for turn, numbers in seen.items() if len(numbers) == len(rule.all)}

    def _is_cleared(self, rule: Rule, number: int, find: _Find, text: _Text) -> bool:
        """Whether an `unless` phrase lies wholly in the window around a find."""
        if not rule.unless:
            return False
        low, high = text.turn_starts[find.turn], text.turn_ends[find.turn]
        if rule.unless_window_chars:
            low = max(low, find.folded_start - rule.unless_window_chars)
            high = min(high, find.folded_end + rule.unless_window_chars)
        for words, phrase in self._unless[number]:
            place = text.folded.text.find(words, low, high)
            while place >= 0:
                if _is_whole(phrase, text.folded, place, place + len(words)):
                    return True
                place = text.folded.text.find(words, place + 1, high)
        return False

    def _is_missing(
        self,
        number: int,
        finds: list[_Find],
        text: _Text,
        maker: _HitMaker,
    ) -> bool:
        rule = self.rules[number]
        if not self._speaks(text, rule.role):
            return False
        # Always the agent's, whichever side has to say the phrase.
        first = maker.first_word_ms("agent") if rule.within_seconds is not None else None
        for find in finds:
            if find.group != _REQUIRE or self._is_cleared(rule, number, find, text):
                continue
            said_at = maker.times(find)[0]
            if rule.within_seconds is None or first is None or said_at is None:
                return False
            if said_at - first <= rule.within_seconds * 1000:
                return False
        return True


def _longest(finds: list[_Find]) -> list[_Find]:
    """Of finds that overlap the longest, the earlier of two as long; in order of place."""
    kept: list[_Find] = []
    starts: list[int] = []
    for find in sorted(finds, key=lambda f: (f.start - f.end, f.start, f.group, f.number)):
        at = bisect_left(starts, find.start)
        if at < len(kept) and kept[at].start < find.end:
            continue
        if at and kept[at - 1].end > find.start:
            continue
        kept.insert(at, find)
        starts.insert(at, find.start)
    return kept


def _coverings(parts: list[_Find], count: int) -> Iterable[_Find]:
    """Spans of one turn that hold all phrases, from the first phrase to the last, left to right."""
    parts = sorted(parts, key=lambda f: (f.start, f.end))
    for begin in range(len(parts)):
        first_of: dict[int, _Find] = {}
        for find in parts[begin:]:
            first_of.setdefault(find.number, find)
            if len(first_of) == count:
                break
        if len(first_of) < count:
            return
        ends = max(first_of.values(), key=lambda f: f.end)
        start = parts[begin]
        yield _Find(start.start, ends.end, start.folded_start, ends.folded_end, start.turn, _ALL, 0)


# --- from places to hits ---------------------------------------------------------------------------


class _HitMaker:
    """Turns places of the buffer into hits with offsets and times of the delivered segments."""

    def __init__(self, transcript: Transcript, text: _Text) -> None:
        self._call_id = transcript.call_id
        self._text = text
        self._in_time = text.in_time
        self._aligned: dict[int, list[tuple[int, int, int | None, int | None]]] = {}

    @cached_property
    def _order(self) -> dict[int, int]:
        """Delivered place of a segment → its place in order of time."""
        return {segment.index: n for n, segment in enumerate(self._in_time)}

    def _words(self, segment: Segment) -> list[tuple[int, int, int | None, int | None]]:
        """(first code point, end, start_ms, end_ms) of the words found again in the text."""
        known = self._aligned.get(segment.index)
        if known is not None:
            return known
        spans: list[tuple[int, int, int | None, int | None]] = []
        lowered = folding.plain(segment.text)
        cursor = 0
        for word in segment.words:
            wanted = folding.plain(word.text.strip())
            place = lowered.find(wanted, cursor) if wanted else -1
            if place >= 0:
                cursor = place + len(wanted)
                spans.append((place, cursor, word.start_ms, word.end_ms))
        self._aligned[segment.index] = spans
        return spans

    def times(self, find: _Find) -> tuple[int | None, int | None]:
        """Start of the first and end of the last word, else of their segments."""
        first, offset = self._text.locate(find.start)
        last, end_offset = self._text.locate(find.end - 1)
        segment, end_segment = self._text.segments[first], self._text.segments[last]
        start = next(
            (s for a, b, s, _ in self._words(segment) if a <= offset < b and s is not None),
            segment.start_ms,
        )
        end = next(
            (e for a, b, _, e in self._words(end_segment) if a <= end_offset < b and e is not None),
            end_segment.end_ms,
        )
        return start, end

    def first_word_ms(self, role: str) -> int | None:
        """When the side says its first word; None where no time tells or it says none."""
        for segment in self._in_time:
            if segment.role != role:
                continue
            if not folding.fold(segment.text[segment.speech_start :]).text:
                continue
            for _, _, start, _ in self._words(segment)[:1]:
                if start is not None:
                    return start
            return segment.start_ms
        return None

    def prohibited(
        self, rule: Rule, hashed: str, find: _Find
    ) -> tuple[tuple[float, int, int, int, str], Hit]:
        text = self._text
        first, offset = text.locate(find.start)
        last, end_offset = text.locate(find.end - 1)
        segment, end_segment = text.segments[first], text.segments[last]
        start_ms, end_ms = self.times(find)
        pieces = []
        for number in range(first, last + 1):
            said = text.segments[number].text
            low = offset if number == first else 0
            high = end_offset + 1 if number == last else len(said)
            pieces.append(said[low:high])
        turn_start, turn_end = text.turn_places(find.turn)
        context = text.raw[
            max(turn_start, find.start - _CONTEXT_CHARS) : min(turn_end, find.end + _CONTEXT_CHARS)
        ]
        hit = Hit(
            call_id=self._call_id,
            rule_id=rule.id,
            kind="prohibited",
            role=text.roles[find.turn],
            start_ms=start_ms,
            end_ms=end_ms,
            segment_index=segment.index,
            segment_end_index=end_segment.index if last != first else None,
            char_start=offset,
            char_end=end_offset + 1,
            text="\n".join(pieces),
            severity=rule.severity,
            points=rule.points,
            condition=rule.when,
            rule_hash=hashed,
            context=context,
        )
        order = self._order[segment.index]
        when = float(start_ms) if start_ms is not None else self._time_before(order)
        return (when, order, offset, end_offset, rule.id), hit

    def _time_before(self, order: int) -> float:
        """The last time known before a segment without one, so that it sorts behind it."""
        for segment in reversed(self._in_time[:order]):
            if segment.start_ms is not None:
                return float(segment.start_ms)
        return -1.0

    def missing(self, rule: Rule, hashed: str) -> Hit:
        return Hit(
            call_id=self._call_id,
            rule_id=rule.id,
            kind="missing",
            role=rule.role,
            start_ms=None,
            end_ms=None,
            segment_index=None,
            segment_end_index=None,
            char_start=None,
            char_end=None,
            text=None,
            severity=rule.severity,
            points=rule.points,
            condition=rule.when,
            rule_hash=hashed,
        )
