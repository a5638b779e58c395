"""What a reader sees of a day's figures."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from callmart.contracts import load_entities
from callmart.contracts.outcomes import OUTCOMES
from callmart.reports.rendering import FIGURES, Renderer, _delta, _number, languages, load_words
from callmart.settings import PROJECT_ROOT

DAY = date(2026, 11, 18)
HEADLINE = {
    "call_date": DAY, "attempts": 200, "answered": 90, "connected": 60, "talk_seconds": 5400,
    "talked": 50, "customers_reached": 55, "abandoned": 6, "transcribed": 30,
    "answer_seizure_ratio": Decimal("0.45"), "connection_ratio": Decimal("0.3"),
    "average_talk_seconds": Decimal(108), "abandonment_ratio": Decimal("0.1"),
    "rule_violations": 1234, "phrase_violations": 7,
}  # fmt: skip
EVIL = "<script>alert('x')</script>&"


def a_day(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """A whole day's data; `changes` take the place of whole queries."""
    previous = {
        **HEADLINE, "period": "previous", "call_date": date(2026, 11, 17), "attempts": 180,
        "connection_ratio": Decimal("0.325"), "abandonment_ratio": Decimal("0.05"),
    }  # fmt: skip
    data: dict[str, list[dict[str, Any]]] = {
        "headline": [{**HEADLINE, "period": "day"}, previous],
        "hourly": [
            {"hour": 9, "attempts": 150, "answered": 60, "connected": 40},
            {"hour": 10, "attempts": 41, "answered": 25, "connected": 15},
            {"hour": 11, "attempts": 9, "answered": 5, "connected": 5},
        ],
        "outcomes": [{"outcome": "human", "calls": 60}, {"outcome": "busy", "calls": 140}],
        "tiers": [{"tier": "A", "customers": 3}, {"tier": "D", "customers": 4}],
        "scores": [
            {"evaluation": "conversation", "score": Decimal("61.5")},
            {"evaluation": "inspection", "score": None},
            {"evaluation": "rules_and_lines", "score": Decimal(80)},
        ],
        "movements": [{
            "customer_id": "K1", "tier": "A", "previous_tier": "B", "total_score": Decimal(82),
            "change": Decimal("-4.25"), "reasons_en": ["because"], "reasons_zh": ["因为"],
        }],
        "phrases": [{
            "rule_id": "r1", "rule_name_en": None, "rule_name_zh": None, "kind": "prohibited",
            "severity": "critical", "hits": 7, "quote": "said", "call_id": "c1", "start_ms": 61999,
        }],
        "rules": [{"rule_id": "S1", "rule_type": "min_ring", "severity": "major", "violations": 9,
                   "customers": 4}],
        "lines": [{"line_id": "L1", "attempts": 20, "connected": 5,
                   "connection_ratio": Decimal("0.25"), "ratio_low": Decimal("0.11"),
                   "ratio_high": Decimal("0.47"), "is_suspected_flagged": True, "verdict": "x"}],
        "funnel": [{"stage": "new", "demands": 5}, {"stage": "won", "demands": 2}],
        "overdue": [{"demand_id": "D1", "customer_id": "K1", "product": "Loan", "stage": "new",
                     "next_action": "call", "next_action_due_at": datetime(2026, 11, 18, 1, tzinfo=UTC),
                     "expected_value": Decimal("12000.50"), "currency": "CNY"}],
        "agents": [{"agent_id": "A1", "agent_name": "Kim", "calls": 9, "connected": 4,
                    "talk_seconds": 3700, "average_handle_time_seconds": 59.6, "occupancy": None}],
        "freshness": [{"entity": "calls", "source": "contract", "newest_row_at": None,
                       "newest_load_at": datetime(2026, 11, 18, 16, 30, tzinfo=UTC),
                       "rows_quarantined": 2}],
        "quarantine": [{"open_items": 3}],
    }  # fmt: skip
    return {**data, **changes}


def render(data: dict[str, list[dict[str, Any]]], language: str = "en") -> Any:
    return Renderer(data, DAY, "Asia/Shanghai", language).render("s3://b/reports/x.html")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_day_has_its_figures_sentences_and_tables(language: str) -> None:
    words, made = load_words(language), render(a_day(), language)
    for part in (made.page, made.mail_html, made.mail_text):
        for shown in ("200", "45.0 %", "30.0 %", "1:48", "10.0 %", "1,234"):
            assert shown in part
        for title in words["sections"].values():
            if title != words["sections"]["agents"]:  # a table alone, not in the text part
                assert title in part
    assert f'<html lang="{language}">' in made.page
    assert made.page.count("<svg") == 5
    assert "<svg" not in made.mail_html
    assert "s3://b/reports/x.html" in made.mail_html
    assert "s3://b/reports/x.html" in made.mail_text
    # The best hour is 10, not 11 with its nine attempts; 16:30 UTC is the next day in Shanghai.
    assert words["sentences"]["best_hour"].format(hour=10, attempts=41, ratio="36.6 %") in made.page
    assert "2026-11-19 00:30" in made.page
    assert "B → A" in made.page
    assert "12,000.5 CNY" in made.page
    assert "1:01:40" in made.page  # talk of an hour and more
    assert "1:01<" in made.page  # where the phrase was said
    assert "30.0 %" in made.subject


@pytest.mark.parametrize(
    ("name", "before", "now", "shown", "tone"),
    [
        ("attempts", 180, 200, "▲ 20", "same"),
        ("connection_ratio", 0.325, 0.3, "▼ 2.5 pp", "bad"),
        ("connection_ratio", 0.3, 0.325, "▲ 2.5 pp", "good"),
        ("abandonment_ratio", 0.05, 0.1, "▲ 5.0 pp", "bad"),
        ("abandonment_ratio", 0.1, 0.05, "▼ 5.0 pp", "good"),
        ("abandonment_ratio", 0.1, 0.10001, "=", "same"),
        ("rule_violations", 5, 9, "▲ 4", "bad"),
        ("rule_violations", 9, 5, "▼ 4", "good"),
        ("phrase_violations", 2000, 1, "▼ 1,999", "good"),
        ("average_talk_seconds", 100, 130.4, "▲ 30 s", "same"),
        ("customers_reached", 9, 9, "=", "same"),
        ("abandonment_ratio", None, 0.1, "", "same"),
        ("abandonment_ratio", 0.1, None, "", "same"),
    ],
)
def test_a_change_is_coloured_by_what_it_means(
    name: str, before: Any, now: Any, shown: str, tone: str
) -> None:
    form, rise_is_good, _ = FIGURES[name]
    assert _delta(now, before, form, rise_is_good, load_words("en")) == (shown, tone)


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (None, "count", "–"),
        (None, "ratio", "–"),
        (0, "count", "0"),
        (Decimal("0.1234"), "ratio", "12.3 %"),
        (59.4, "seconds", "59 s"),
        (59.6, "seconds", "1:00"),
        (3599.9, "seconds", "1:00:00"),
        (1234567, "count", "1,234,567"),
    ],
)
def test_numbers(value: Any, form: str, shown: str) -> None:
    assert _number(value, form, load_words("en")) == shown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_over_nothing_there_is_no_figure(language: str) -> None:
    nothing = dict.fromkeys(
        k for k in HEADLINE if k.endswith("ratio") or k in ("talk_seconds", "average_talk_seconds")
    )
    day = {**HEADLINE, **nothing, "period": "day", "connected": 0, "talked": 0, "transcribed": 0,
           "phrase_violations": 0, "customers_reached": 0, "answered": 0, "attempts": 0}  # fmt: skip
    made = render(a_day(headline=[day]), language)
    words = load_words(language)
    lines = dict(
        line.split(": ", 1) for line in made.mail_text.splitlines() if line.count(": ") == 1
    )
    for name in (
        "abandonment_ratio",
        "connection_ratio",
        "average_talk_seconds",
        "phrase_violations",
    ):
        assert lines[words["figures"][name]["label"]] == "–", name
    assert lines[words["figures"]["customers_reached"]["label"]] == "0"
    assert words["sentences"]["no_attempts"] in made.page
    assert words["no_previous"] in made.page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_empty_day_says_so_in_every_section(language: str) -> None:
    empty: dict[str, list[dict[str, Any]]] = {
        name: [] for name in a_day() if name not in ("headline", "quarantine")
    }
    zero = dict.fromkeys(HEADLINE, 0) | {name: None for name in HEADLINE if "ratio" in name}
    headline = [{**zero, "period": "day", "call_date": DAY},
                {**zero, "period": "previous", "call_date": None}]  # fmt: skip
    data = a_day(**empty, headline=headline, quarantine=[{"open_items": 0}])
    made, words = render(data, language), load_words(language)
    for said in ("no_attempts", "no_tiers", "no_transcripts", "no_rules", "no_demands", "clean"):
        assert words["sentences"][said] in made.page
    assert made.page.count(words["empty"]) == 4


def test_names_cannot_become_markup() -> None:
    data = a_day()
    for rows in (data["movements"], data["phrases"], data["overdue"], data["agents"],
                 data["lines"], data["rules"], data["freshness"]):  # fmt: skip
        for row in rows:
            for name, value in row.items():
                if isinstance(value, str) and name not in ("currency",):
                    row[name] = EVIL
    data["movements"][0]["reasons_en"] = [EVIL]
    data["outcomes"][0]["outcome"] = EVIL
    data["funnel"][0]["stage"] = EVIL
    made = render(data)
    for part in (made.page, made.mail_html):
        assert "<script" not in part
        assert "&lt;script&gt;" in part
    assert "&lt;script&gt;" in made.page[made.page.index("<svg") : made.page.rindex("</svg>")]


def test_very_long_names_are_kept_whole_and_may_be_broken() -> None:
    data = a_day()
    data["agents"][0]["agent_name"] = "N" * 5000
    page = render(data).page
    assert "N" * 5000 in page
    assert "overflow-wrap: anywhere" in page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_loads_nothing_from_elsewhere(language: str) -> None:
    made = render(a_day(), language)
    for part in (made.page, made.mail_html):
        assert not re.findall(r"(?:src|href|action)\s*=|url\(|@import|<link|<script", part)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_codes_that_are_new_are_shown_as_they_are(language: str) -> None:
    data = a_day()
    data["rules"][0] |= {"rule_type": "quiet_week", "severity": "odd"}
    data["funnel"][0]["stage"] = data["overdue"][0]["stage"] = "custom_pilot"
    data["outcomes"][0]["outcome"] = "teleported"
    data["phrases"][0] |= {"severity": "odd", "kind": "whispered"}
    page = render(data, language).page
    for word in ("quiet_week", "custom_pilot", "teleported", "whispered"):
        assert word in page


def test_an_average_of_nobody_is_left_out() -> None:
    words = load_words("en")["evaluations"]
    page = render(a_day()).page
    assert words["conversation"] in page
    assert f">{words['inspection']}<" not in page


# --- the locales ----------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """A locale's structure: keys, lengths of lists, and the places in each sentence."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return sorted(re.findall(r"{(\w+)}", value))


def test_the_locales_say_the_same_things() -> None:
    assert languages() == ["en", "zh"]
    assert shape(load_words("en")) == shape(load_words("zh"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_code_of_the_contract_has_a_label(language: str) -> None:
    words = load_words(language)
    assert set(words["outcomes"]) == OUTCOMES
    assert set(words["figures"]) == set(FIGURES)
    seed = (PROJECT_ROOT / "dbt" / "seeds" / "rule_types.csv").read_text(encoding="utf-8")
    types = {line.split(",")[0] for line in seed.splitlines()[1:]}
    assert set(words["rule_types"]) == types
    assert set(words["stages"]) == set(load_entities()["demands"].columns["stage"].values)
    assert {"critical", "major", "minor"} == set(words["severities"])
