"""What holds for any transcript and any rules."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.phrases import Hit, Matcher, Rule
from ml.phrases.folding import codes_of, fold
from ml.phrases.index import PhraseIndex
from ml.phrases.pronunciation import syllables_of
from ml.phrases.spelling import SlipIndex
from ml.transcripts import Segment, Transcript, read_transcript

PHRASES = [
    "保证收益",
    "稳赚不赔",
    "收益",
    "guaranteed return",
    "last chance",
    "return",
    "30%",
    "微信",
]
# Pieces that make near misses, joints and traps likely.
PIECES = [
    *PHRASES,
    *("保证", "保 证", "收意", "不", "不保证", "保證", "收", "益", "嗯", "银行", "３０％"),
    *("guaranteed", "returns", "retrun", "chance", "last-", "ok", "ＲＥＴＵＲＮ"),
    *("。", "，", ". ", " ", "😀", "\u200b", "\n", ""),
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
roles = st.sampled_from(["agent", "customer", None])
times = st.none() | st.integers(0, 60_000)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    turns = draw(st.lists(st.tuples(roles, times, texts), max_size=8))
    segments = [{"role": role, "start_ms": start, "text": text} for role, start, text in turns]
    return read_transcript(json.dumps({"call_id": "c", "segments": segments}).encode(), "c.json")


phrase_lists = st.lists(st.sampled_from(PHRASES), max_size=3, unique=True).map(tuple)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        id=draw(st.sampled_from("abcdef")),
        severity="minor",
        points=1.0,
        role=draw(st.sampled_from(["agent", "customer", "any"])),
        any=draw(phrase_lists),
        all=draw(phrase_lists),
        regex=draw(st.sampled_from([(), (r"\d+%",), ("保证.?收",)])),
        unless=draw(st.sampled_from([(), ("不保证",), ("no",)])),
        unless_window_chars=draw(st.sampled_from([0, 2, 12])),
        homophones=draw(st.sampled_from(["no", "strict", "loose"])),
        max_edits=draw(st.integers(0, 2)),
        require=draw(phrase_lists),
        within_seconds=draw(st.none() | st.integers(0, 60)),
    )


def key(hit: Hit) -> tuple[str, ...]:
    return tuple(str(value) for value in hit.as_item().values())


@settings(max_examples=300, deadline=None)
@given(transcripts(), st.lists(rules(), min_size=1, max_size=4))
def test_a_hit_quotes_the_delivered_segments(
    transcript: Transcript, given_rules: list[Rule]
) -> None:
    by_index = {segment.index: segment for segment in transcript.segments}
    order = [segment.index for segment in transcript.segments]
    for hit in Matcher(given_rules).find(transcript):
        if hit.kind == "missing":
            assert hit.segment_index is None
            continue
        assert hit.segment_index is not None
        assert hit.text is not None
        assert hit.char_start is not None
        first = by_index[hit.segment_index]
        assert first.role == hit.role
        if hit.segment_end_index is None:
            assert first.text[hit.char_start : hit.char_end] == hit.text
            continue
        last = by_index[hit.segment_end_index]
        assert last.role == hit.role
        assert order.index(first.index) < order.index(last.index)
        assert hit.text.startswith(first.text[hit.char_start :] + "\n")
        assert hit.text.endswith("\n" + last.text[: hit.char_end])


@settings(max_examples=200, deadline=None)
@given(
    transcripts(),
    st.lists(rules(), min_size=1, max_size=4),
    st.lists(rules(), max_size=4),
    st.randoms(),
)
def test_other_rules_and_their_order_change_nothing(
    transcript: Transcript, wanted: list[Rule], others: list[Rule], random: Random
) -> None:
    alone = sorted(key(hit) for rule in wanted for hit in Matcher([rule]).find(transcript))
    together = [*wanted, *others]
    random.shuffle(together)
    extra = sorted(key(hit) for rule in others for hit in Matcher([rule]).find(transcript))
    assert sorted(key(hit) for hit in Matcher(together).find(transcript)) == sorted(alone + extra)


@settings(max_examples=200, deadline=None)
@given(transcripts(), rules())
def test_hits_of_a_rule_do_not_overlap(transcript: Transcript, rule: Rule) -> None:
    by_segment: dict[int, list[tuple[int, int]]] = {}
    for hit in Matcher([rule]).find(transcript):
        if hit.segment_index is not None and hit.segment_end_index is None:
            assert hit.char_start is not None
            assert hit.char_end is not None
            by_segment.setdefault(hit.segment_index, []).append((hit.char_start, hit.char_end))
    for spans in by_segment.values():
        spans.sort()
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


@settings(max_examples=200, deadline=None)
@given(transcripts(), rules())
def test_more_tolerance_never_loses_a_turn(transcript: Transcript, rule: Rule) -> None:
    """Where something is found literally, the same rule made tolerant finds something too."""
    if rule.unless or rule.all:
        return
    strict = replace(rule, homophones="no", max_edits=0, require=())
    tolerant = replace(rule, homophones="loose", max_edits=2, require=())
    found = list(Matcher([tolerant]).find(transcript))
    touched = {hit.segment_index for hit in found} | {hit.segment_end_index for hit in found}
    joined = any(hit.segment_end_index is not None for hit in found)
    for hit in Matcher([strict]).find(transcript):
        assert hit.segment_index in touched or joined
    assert len(found) > 0 or not Matcher([strict]).find(transcript)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("ab保证", min_size=1, max_size=20), min_size=1, max_size=10, unique=True),
    st.text("ab保证", max_size=60),
)
def test_the_index_finds_what_a_plain_search_finds(phrases: list[str], text: str) -> None:
    index = PhraseIndex({phrase: phrase for phrase in phrases})
    expected = sorted(
        (place, place + len(phrase), phrase)
        for phrase in phrases
        for place in range(len(text))
        if text.startswith(phrase, place)
    )
    assert sorted(index.find(text, codes_of(text))) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["guaranteed return", "last chance today", "return", "my own account number"]),
    st.integers(1, 2),
    st.data(),
)
def test_any_one_slip_is_found(phrase: str, edits: int, data: st.DataObject) -> None:
    """A letter lost, added, changed or swapped with its neighbour inside a word."""
    places = [
        place
        for place in range(len(phrase) - 1)
        if phrase[place].isalpha() and phrase[place + 1].isalpha()
    ]
    place = data.draw(st.sampled_from(places))
    kind = data.draw(st.sampled_from(["lose", "add", "change", "swap"]))
    slipped = {
        "lose": phrase[:place] + phrase[place + 1 :],
        "add": phrase[: place + 1] + "q" + phrase[place + 1 :],
        "change": phrase[:place] + "q" + phrase[place + 1 :],
        "swap": phrase[:place] + phrase[place + 1] + phrase[place] + phrase[place + 2 :],
    }[kind]
    said = f"well {slipped} indeed"
    index = SlipIndex([(fold(phrase), edits, "it")])
    folded = fold(said)
    found = {
        said[int(folded.places[start]) : int(folded.places[end - 1]) + 1]
        for start, end, _ in index.find(folded)
    }
    assert slipped in found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from("银行长重新还款得了保证为都行动地着乐觉睡数"), max_size=12).map(
        "".join
    )
)
def test_syllables_are_those_of_pypinyin(text: str) -> None:
    from pypinyin import lazy_pinyin

    assert syllables_of(text) == lazy_pinyin(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=6))
def test_a_transcript_of_one_speaker_is_one_text(pieces: list[str]) -> None:
    """Cutting a turn without full stops in two changes no hit of a phrase but its places."""
    text = "".join(pieces).replace(".", "").replace("\n", "")
    rule = Rule(id="a", severity="minor", points=1.0, any=("保证收益", "稳赚不赔"))

    def count(*parts: str) -> int:
        segments = tuple(
            Segment(index, "agent", None, None, part) for index, part in enumerate(parts)
        )
        return len(Matcher([rule]).find(Transcript("c", None, None, "own", segments)))

    assert count(text) == count(text[: len(text) // 2], text[len(text) // 2 :])
