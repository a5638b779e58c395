"""Searching what was said: in both languages, by whole words, newest first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from callmart.commands import search as command
from callmart.recordings import match_phrases
from callmart.recordings.search import search_transcripts
from callmart.settings import Settings
from ml.phrases.terms import quotation, searchable

CALLS = {
    "c1": [("agent", "我们这款产品保證收益"), ("customer", "那收益多少"), ("agent", "百分之三")],
    "c2": [("agent", "It is a Guaranteed  Return, sir."), ("customer", "No returns?")],
    "c3": [("agent", "保证。收益另说"), ("customer", "加我 QQ 吧")],
}


@pytest.mark.parametrize(
    ("query", "text", "is_found"),
    [
        ("保证收益", "我们保證，收益", True),
        ("收益", "收、益", True),
        ("益", "收益", True),
        ("保证收益", "保证。收益", False),
        ("保收", "保证收益", False),
        ("return", "A RETURN!", True),
        ("return", "returns", False),
        ("guaranteed return", "guaranteed, return", True),
        ("return guaranteed", "guaranteed return", False),
        ("加我qq", "加我 QQ 吧", True),
        ("退款。", "退款吧", True),
        ("ok 好", "ok好", True),
    ],
)
def test_a_quotation_is_part_of_the_canonical_text(query: str, text: str, is_found: bool) -> None:
    canonical, terms = searchable(text)
    wanted, asked = quotation(query)
    assert (wanted in canonical and set(asked) <= set(terms)) == is_found


@pytest.mark.postgres
def test_search_in_the_warehouse(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for call_id, turns in CALLS.items():
        deliveries.say(call_id, turns)
    match_phrases(deliveries.settings)

    def places(query: str, **more: Any) -> list[tuple[str, int]]:
        found = search_transcripts(deliveries.settings, query, **more)
        return [(said.call_id, said.segment_index) for said in found]

    assert places("保证收益") == [("c1", 0)]
    assert places("收益") == [("c1", 0), ("c1", 1), ("c3", 0)]
    assert places("收益", role="customer") == [("c1", 1)]
    assert places("收益", limit=1) == [("c1", 0)]
    assert places("guaranteed return") == [("c2", 0)]
    assert places("return") == [("c2", 0)]
    assert places("加我QQ") == [("c3", 1)]
    assert places("没有说过") == []
    (said,) = search_transcripts(deliveries.settings, "那收益多少")
    assert (said.role, said.start_ms, said.text) == ("customer", 2000, "那收益多少")
    assert said.context == "我们这款产品保證收益 那收益多少 百分之三"
    with pytest.raises(ValueError, match="nothing to search for"):
        search_transcripts(deliveries.settings, "……")

    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda _: deliveries.settings))
    printed = CliRunner().invoke(command.search, ["guaranteed return", "--json"])
    assert printed.exit_code == 0
    assert [item["call_id"] for item in json.loads(printed.stdout)] == ["c2"]
    assert CliRunner().invoke(command.search, ["，"]).exit_code == 2
