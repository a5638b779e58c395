"""Searching transcripts of the warehouse: whose rules, which hits, what changes them."""

from __future__ import annotations

from typing import Any

import pytest

from callmart.recordings import match_phrases, wording
from ml.phrases import library

pytestmark = pytest.mark.postgres

HITS = """
select transcripts.call_id, hits.rule_id, hits.kind, hits.condition, hits.segment_index,
    hits.char_start, hits.char_end, hits.text
from facts.phrase_hits as hits
join raw.transcripts on transcripts.content_sha256 = hits.transcript_sha256
join facts.phrase_rules as rules using (rule_hash)
where rules.purpose = 'rule'
order by 1, 2, 5, 6
"""
TURNS = [
    ("agent", "Hello, this is Kim."),
    ("agent", "😀 We give a sure thing, Sure Thing!"),
    ("customer", "A sure thing?"),
]


def test_without_rules_of_the_crm_the_shipped_library_holds(deliveries: Any) -> None:
    deliveries.say("c1", [("agent", "It is a guaranteed return."), ("customer", "Oh")])
    summary = match_phrases(deliveries.settings)
    assert summary.transcripts == 1
    assert summary.hits >= 1
    kept = {row[0] for row in deliveries.query(
        "select rule_id from facts.phrase_rules where purpose = 'rule' and origin = 'library'"
    )}  # fmt: skip
    assert kept == {rule.id for rule in library().rules}


def test_rules_of_the_crm_take_the_place_of_the_library(deliveries: Any) -> None:
    deliveries.rule("sure", role="agent", any=["sure thing"])
    deliveries.say("c1", TURNS)
    match_phrases(deliveries.settings)
    # Offsets are code points of the segment as delivered: the emoji is one.
    assert deliveries.query(HITS) == [
        ("c1", "sure", "prohibited", "always", 1, 12, 22, "sure thing"),
        ("c1", "sure", "prohibited", "always", 1, 24, 34, "Sure Thing"),
    ]
    assert deliveries.query(
        "select distinct origin from facts.phrase_rules where purpose = 'rule'"
    ) == [("crm",)]


def test_a_broken_rule_is_noticed_and_the_others_apply(deliveries: Any) -> None:
    deliveries.rule("broken", any=[])
    deliveries.rule("sure", any=["sure thing"], role="customer")
    deliveries.say("c1", TURNS)
    summary = match_phrases(deliveries.settings)
    assert summary.broken_rules == ["broken"]
    assert [row[1] for row in deliveries.query(HITS)] == ["sure"]
    [(key, kind, subject, detail)] = deliveries.query(
        "select object_key, notices.kind, subject, detail from ops.notices"
        " join ops.objects using (object_id) where notices.kind = 'broken_phrase_rule'"
    )
    assert key.startswith("crm/phrase_rules/dt=2026-11-18/broken-")
    assert (kind, subject) == ("broken_phrase_rule", "broken")
    assert detail


def test_a_second_search_adds_nothing_and_a_new_rule_only_its_hits(deliveries: Any) -> None:
    deliveries.rule("sure", role="agent", any=["sure thing"])
    deliveries.say("c1", TURNS)
    assert match_phrases(deliveries.settings).hits == 2
    first = deliveries.query(HITS)
    again = match_phrases(deliveries.settings)
    assert (again.transcripts, again.hits) == (0, 0)

    deliveries.rule("kim", any=["kim"])
    added = match_phrases(deliveries.settings)
    assert (added.transcripts, added.hits) == (1, 1)
    assert [row for row in deliveries.query(HITS) if row[1] == "sure"] == first
    assert [row[1] for row in deliveries.query(HITS)] == ["kim", "sure", "sure"]


def test_a_new_rule_is_searched_for_alone(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml.phrases import Matcher

    deliveries.rule("sure", role="agent", any=["sure thing"])
    deliveries.say("c1", TURNS)
    match_phrases(deliveries.settings)
    searched: list[tuple[str, set[str]]] = []
    find = Matcher.find

    def noted(self: Matcher, transcript: Any, *rest: Any, **more: Any) -> Any:
        searched.append((transcript.call_id, {rule.id for rule in self.rules}))
        return find(self, transcript, *rest, **more)

    monkeypatch.setattr(Matcher, "find", noted)
    deliveries.rule("kim", any=["kim"])
    deliveries.say("c2", TURNS[:1])
    match_phrases(deliveries.settings)
    old = [rules for call, rules in searched if call == "c1"]
    assert old == [{"kim"}]
    assert {"kim", "sure"} <= set.union(*(rules for call, rules in searched if call == "c2"))
    assert [row[:2] for row in deliveries.query(HITS)] == [
        ("c1", "kim"), ("c1", "sure"), ("c1", "sure"), ("c2", "kim"),
    ]  # fmt: skip


def test_a_new_version_of_a_rule_leaves_the_hits_of_the_old_one(deliveries: Any) -> None:
    deliveries.rule("sure", any=["sure thing"], role="customer")
    deliveries.say("c1", TURNS)
    match_phrases(deliveries.settings)
    deliveries.rule("sure", effective_from="2026-12-01T00:00:00Z", any=["kim"])
    match_phrases(deliveries.settings)
    assert [row[7] for row in deliveries.query(HITS)] == ["Kim", "sure thing"]


def test_a_newer_matcher_takes_back_what_it_no_longer_finds(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.phrases import Matcher

    deliveries.rule("sure", any=["sure thing"])
    deliveries.say("c1", TURNS)
    match_phrases(deliveries.settings)
    assert len(deliveries.query(HITS)) == 3
    found = Matcher.find
    monkeypatch.setattr("ml.phrases.versions.ANNOUNCEMENTS_VERSION", "next")
    monkeypatch.setattr(Matcher, "find", lambda *a, **k: found(*a, **k)[:1])
    summary = match_phrases(deliveries.settings)
    assert (summary.transcripts, summary.hits) == (1, 0)
    assert [row[4:6] for row in deliveries.query(HITS)] == [(1, 12)]


def test_what_counts_only_for_connected_calls_is_kept_with_its_condition(deliveries: Any) -> None:
    deliveries.rule("notice", role="agent", require=["recorded line"], when="connected")
    deliveries.say("c1", [("agent", "Hello?")], is_connected=False)
    match_phrases(deliveries.settings)
    assert deliveries.query(HITS) == [
        ("c1", "notice", "missing", "connected", None, None, None, None)
    ]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("您好，您拨打的电话已关机，请稍后再拨。", "switched_off"),
        ("您好，您拨打的号码是空号，请核对后再拨。", "invalid_number"),
        ("喂，你好，哪位？", None),
    ],
)
def test_announcements_in_words_become_outcomes(
    deliveries: Any, text: str, outcome: str | None
) -> None:
    deliveries.say("c1", [("customer", text)], language="zh")
    match_phrases(deliveries.settings)
    [(found, segment)] = deliveries.query(
        "select outcome, segment_index from facts.transcript_outcomes"
    )
    assert found == outcome
    assert segment == (None if outcome is None else 0)


def test_killed_between_commits_it_goes_on_where_it_was(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries.rule("sure", any=["sure thing"])
    for number in range(3):
        deliveries.say(f"c{number}", [*TURNS, ("agent", f"number {number}")])
    monkeypatch.setattr(wording, "TRANSCRIPTS_PER_COMMIT", 1)
    kept = wording._keep_hits
    calls = []

    def die_at_the_second(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return kept(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(wording, "_keep_hits", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            match_phrases(deliveries.settings)
    assert len(deliveries.query(HITS)) == 3
    rest = match_phrases(deliveries.settings)
    assert (rest.transcripts, rest.hits) == (2, 6)
