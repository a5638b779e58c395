"""The engine and the plain reading of the contract find the same, whatever is said."""

from __future__ import annotations

import json
from typing import Any

import plain_matcher
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.phrases import Matcher, Rule
from ml.transcripts import Transcript, read_transcript

PHRASES = [
    "保证收益", "保證收益", "收益", "稳赚不赔", "赚不", "不赔钱", "保 证",
    "guaranteed return", "guaranteed returns", "return", "last chance", "can't lose", "risk-free",
    "30%", "7天", "30", "vip客户", "加我wechat", "银行", "行动", "¥5", "a",
]  # fmt: skip
PIECES = [
    *PHRASES,
    *("保证", "保 证", "收意", "首益", "守益", "宝正", "增", "不", "不保证", "證", "收", "益", "嗯"),
    *("好的", "钱", "３０％", "银", "行", "航", "动", "引航", "1", "7", "天", "wechat", "wecaht"),
    *("guaranteed", "Guaranteed", "returns", "retrun", "chance", "last-", "ok", "ＲＥＴＵＲＮ"),
    *("garanteed", "can’t", "cant", "lose", "no", "not", "risk", "free", "s", "t", "ge"),
    *("。", "，", ". ", ".", " ", " ", "😀", "\u200b", "\n", "", "!", "?", "'", "-", "…", "“", "\u3000"),
]  # fmt: skip
BETWEEN = [
    "",
    "",
    "",
    " ",
    "，",
    "\u200b",
    "😀",
    "。",
    ". ",
    ".",
    "'",
    "-",
    "\n",
    "|",
    "|",
    "|嗯|",
    "|ok|",
]


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A phrase with something between its characters; a bar ends the segment."""
    phrase = draw(st.sampled_from(PHRASES))
    parts = [char + draw(st.sampled_from(BETWEEN)) for char in phrase[:-1]]
    return "".join([*parts, phrase[-1]])


texts = st.lists(st.sampled_from(PIECES) | mangled(), max_size=9).map("".join)
roles = st.sampled_from(["agent", "customer"])
times = st.none() | st.integers(0, 60_000)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    turns = draw(st.lists(st.tuples(roles, times, texts, st.booleans()), max_size=7))
    segments = []
    said = [
        (role if n % 2 == 0 or not other else ("customer" if role == "agent" else "agent"), *rest)
        for role, start, text, with_words in turns
        for n, (other, *rest) in enumerate(
            ("|嗯|" in text or "|ok|" in text, start, part, with_words) for part in text.split("|")
        )
    ]
    for role, start, text, with_words in said:
        segment: dict[str, Any] = {"role": role, "start_ms": start, "text": text}
        if with_words and start is not None:
            segment["words"] = [
                {"text": word, "start_ms": start + 700 * n, "end_ms": start + 700 * n + 500}
                for n, word in enumerate(text.split())
            ]
        segments.append(segment)
    language = draw(st.sampled_from([None, "zh", "zh-CN", "en-US"]))
    document = {"call_id": "c", "segments": segments, "language": language}
    return read_transcript(json.dumps(document).encode(), "c.json")


phrase_lists = st.lists(st.sampled_from(PHRASES), max_size=3, unique=True).map(tuple)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        id=draw(st.sampled_from("abcdef")),
        severity="minor",
        points=1.0,
        role=draw(st.sampled_from(["agent", "customer", "any"])),
        language=draw(st.sampled_from(["any", "any", "zh", "en"])),
        any=draw(phrase_lists),
        all=draw(st.just(()) | phrase_lists),
        regex=draw(st.sampled_from([(), (), (r"\d+%",), ("保证.?收",), (r"\breturns?\b", "益")])),
        unless=draw(st.sampled_from([(), ("不保证",), ("no", "不"), ("last chance", "嗯")])),
        unless_window_chars=draw(st.sampled_from([0, 1, 2, 4, 12])),
        homophones=draw(st.sampled_from(["no", "strict", "loose"])),
        require=draw(st.just(()) | phrase_lists),
        within_seconds=draw(st.none() | st.integers(0, 60)),
        when=draw(st.sampled_from(["always", "connected"])),
    )


@settings(max_examples=400, deadline=None)
@given(
    transcripts(), st.lists(rules(), min_size=1, max_size=4), st.sampled_from([None, True, False])
)
def test_the_engine_finds_what_the_contract_says(
    transcript: Transcript, wanted: list[Rule], is_connected: bool | None
) -> None:
    found = [
        (
            h.rule_id,
            h.kind,
            h.role,
            h.segment_index,
            h.segment_end_index,
            h.char_start,
            h.char_end,
            h.text,
        )
        for h in Matcher(wanted).find(transcript, is_connected)
    ]
    assert sorted(found, key=str) == plain_matcher.plain_hits(transcript, wanted, is_connected)


@settings(max_examples=200, deadline=None)
@given(
    transcripts(),
    st.lists(
        st.sampled_from([p for p in PHRASES if len(p) > 6]), min_size=1, max_size=2, unique=True
    ),
    st.integers(1, 2),
)
def test_slips_are_found_where_the_contract_allows_them(
    transcript: Transcript, phrases: list[str], edits: int
) -> None:
    """Each hit is within the edits, and no place within them is passed over."""
    rule = Rule(id="a", severity="minor", points=1.0, any=tuple(phrases), max_edits=edits)
    hits = Matcher([rule]).find(transcript)
    for turn in plain_matcher.turns_of(transcript):
        letters = turn.letters
        allowed: dict[tuple[int, int], int] = {}
        # A blank within a word is looked for once a phrase.
        demanded: list[tuple[int, int]] = []
        for phrase in phrases:
            allowed |= dict.fromkeys(plain_matcher.places_of(rule, phrase, turn), 0)
            slipped = plain_matcher.slipped_places(rule, phrase, turn)
            cuts = len(plain_matcher.words_of([phrase], plain_matcher.phrase_of(phrase))) + 1
            demanded += [s for s in slipped if plain_matcher.words_in(turn, s) <= cuts]
            allowed |= slipped
        indices = [segment.index for segment in turn.segments]
        spans = []
        for hit in hits:
            if hit.segment_index not in indices:
                continue
            last = hit.segment_index if hit.segment_end_index is None else hit.segment_end_index
            start = (indices.index(hit.segment_index), hit.char_start)
            end = (indices.index(last), hit.char_end)
            inside = [n for n, one in enumerate(letters) if start <= (one.segment, one.place) < end]
            spans.append((inside[0], inside[-1] + 1))
        assert set(spans) <= set(allowed)
        for span in demanded:
            assert any(span[0] < end and start < span[1] for start, end in spans), "".join(
                one.char for one in letters[span[0] : span[1]]
            )
