"""Searching what was said: in both languages, by whole words, newest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmart.commands import search as command
from callmart.recordings import match_phrases
from callmart.recordings.search import keep_folding, search_transcripts
from callmart.settings import Settings
from ml.phrases.terms import searchable
from ml.phrases.versions import ANNOUNCEMENTS_VERSION

CALLS = {
    "c1": [("agent", "我们这款产品保證收益"), ("customer", "那收益多少"), ("agent", "百分之三")],
    "c2": [("agent", "It is a Guaranteed  Return, sir."), ("customer", "No returns?")],
    "c3": [("agent", "保证。收益另说"), ("customer", "加我 QQ 吧")],
}


SAID = [
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
    ("can't", "we can’t", True),
    ("cant", "can", False),
    ("no. sir", "No.  Sir", True),
    ("3.5", "３.５", True),
    ("ＶＩＰ​客户", "vip客戶", True),
]

characters = st.one_of(
    st.sampled_from("保證证收益，。！a b.c'’ ​ 😀%+€1２３Ａñｱคำ가"),
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
)


@pytest.fixture(scope="module")
def folding_warehouse(make_database: Callable[[], str]) -> Iterator[psycopg.Connection[Any]]:
    """A warehouse that knows how the matcher folds."""
    with psycopg.connect(make_database()) as connection:
        keep_folding(connection, ANNOUNCEMENTS_VERSION)
        yield connection


def asked_for(connection: psycopg.Connection[Any], query: str) -> tuple[str, list[str]]:
    found = connection.execute("select * from facts.quotation(%s)", (query,)).fetchone()
    assert found is not None
    return found


@pytest.mark.postgres
@pytest.mark.parametrize(("query", "text", "is_found"), SAID)
def test_a_quotation_is_part_of_the_canonical_text(
    folding_warehouse: psycopg.Connection[Any], query: str, text: str, is_found: bool
) -> None:
    canonical, terms = searchable(text)
    wanted, asked = asked_for(folding_warehouse, query)
    assert (wanted in canonical and set(asked) <= set(terms)) == is_found


@pytest.mark.postgres
@given(text=st.text(characters, max_size=24))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_warehouse_folds_as_the_matcher_does(
    folding_warehouse: psycopg.Connection[Any], text: str
) -> None:
    canonical, terms = searchable(text)
    wanted, asked = asked_for(folding_warehouse, text)
    assert sorted(asked) == list(terms)
    assert wanted.strip() == canonical.strip()
    assert wanted in canonical


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
