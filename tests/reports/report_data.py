"""A day's data as the queries give them, for tests that need no warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from callmart.reports.document import Document
from callmart.reports.periods import parse
from callmart.reports.sections import Data, View, make

PERIOD = parse("2026-11-18")
BEFORE = parse("2026-11-17")
FIGURES: dict[str, Any] = {
    "calls": 230, "attempts": 200, "answered": 90, "connected": 60, "talk_seconds": 5400.0,
    "talked": 50, "customers_reached": 55, "abandoned": 6, "transcribed": 30, "inbound_calls": 30,
    "answer_seizure_ratio": Decimal("0.45"), "connection_ratio": Decimal("0.3"),
    "average_talk_seconds": Decimal(108), "abandonment_ratio": Decimal("0.1"),
    "rule_violations": 1234, "critical_rule_violations": 3, "calling_hour_breaches": 1,
    "phrase_violations": 7, "critical_phrase_violations": 7, "hits_to_review": 5,
    "agents": 2, "adherence": 0.85, "scheduled_hours": Decimal(16), "occupancy": 0.5,
    "available_hours": Decimal(9), "average_handle_time_seconds": Decimal(130), "handled": 50,
    "customers_judged": 7, "customers_in_tier_a": 3, "tier_a_ratio": Decimal("0.4286"),
    "demands_won": 2, "demands_lost": 6, "demands_closed": 8, "won_ratio": Decimal("0.25"),
    "lines": 1, "lines_flagged": 1, "callers": 30, "callers_served": 27,
    "callers_served_ratio": Decimal("0.9"),
}  # fmt: skip
YESTERDAY = {
    **FIGURES, "attempts": 180, "connected": 90, "connection_ratio": Decimal("0.5"),
    "abandonment_ratio": Decimal("0.05"),
}  # fmt: skip
HIT: dict[str, Any] = {
    "rule_id": "r1", "rule_name_en": None, "rule_name_zh": None, "kind": "prohibited",
    "severity": "critical", "quote": "said", "call_id": "c/1", "start_ms": 61999, "points": 20.0,
    "started_at": datetime(2026, 11, 18, 2, tzinfo=UTC), "agent_id": "A1", "agent_name": "Kim",
    "found": 1, "found_critical": 1,
}  # fmt: skip


def rows(**changes: Any) -> dict[str, Any]:
    """Every query's rows; `changes` take the place of whole queries."""
    return {
        "figures": [FIGURES],
        "state": [{
            "newest_call_at": datetime(2026, 11, 18, 14, tzinfo=UTC),
            "checked_at": datetime(2026, 11, 18, 16, 30, tzinfo=UTC),
            "open_items": 3, "data_issues": 4,
        }],
        "hourly": [
            {"hour": 9, "attempts": 150, "answered": 60, "connected": 40},
            {"hour": 10, "attempts": 41, "answered": 25, "connected": 15},
            {"hour": 11, "attempts": 9, "answered": 5, "connected": 5},
        ],
        "daily": [{"call_date": date(2026, 11, 18), "attempts": 200, "answered": 90,
                   "connected": 60}],
        "outcomes": [{"outcome": "human", "calls": 60}, {"outcome": "busy", "calls": 140}],
        "drivers": [
            {"dimension": "line", "member": "L1", "attempts": 100, "connected": 20},
            {"dimension": "line", "member": "L2", "attempts": 100, "connected": 40},
        ],
        "tiers": [{"tier": "A", "customers": 3, "before": 2}, {"tier": "D", "customers": 4,
                                                              "before": 5}],
        "tier_moves": [{"from_tier": "D", "to_tier": "A", "customers": 1}],
        "scores": [
            {"evaluation": "conversation", "score": Decimal("61.5")},
            {"evaluation": "inspection", "score": None},
            {"evaluation": "rules_and_lines", "score": Decimal(80)},
        ],
        "movements": [{
            "customer_id": "K1", "tier": "A", "previous_tier": "D", "total_score": Decimal(82),
            "change": Decimal("-4.25"), "reasons_en": ["because"], "reasons_zh": ["因为"],
            "found": 9,
        }],
        "funnel": [{"stage": "new", "demands": 5}, {"stage": "won", "demands": 2}],
        "expected": [{"product": "Loan", "currency": "CNY", "demands": 5, "valued": 4,
                      "expected_value": Decimal("12000.50"), "found": 1}],
        "overdue": [{"demand_id": "D1", "customer_id": "K1", "product": "Loan", "stage": "new",
                     "next_action": "call", "found": 1, "currency": "CNY",
                     "next_action_due_at": datetime(2026, 11, 18, 1, tzinfo=UTC),
                     "expected_value": Decimal("12000.50")}],
        "agents": [
            {"agent_id": "A1", "agent_name": "Kim", "team": "East", "calls": 90, "attempts": 90,
             "connected": 10, "connection_ratio": Decimal(10) / 90, "talk_seconds": 3700.0,
             "average_handle_time_seconds": 59.6, "occupancy": None, "adherent_seconds": 70,
             "scheduled_seconds": 100, "adherence": 0.7, "conformance": None,
             "rule_violations": 1, "found": 2},
            {"agent_id": "A2", "agent_name": None, "team": None, "calls": 110, "attempts": 110,
             "connected": 50, "connection_ratio": Decimal(50) / 110, "talk_seconds": 10.0,
             "average_handle_time_seconds": None, "occupancy": 0.4, "adherent_seconds": 0,
             "scheduled_seconds": 0, "adherence": None, "conformance": None,
             "rule_violations": 0, "found": 2},
        ],
        "coaching": [{**HIT, "context": "he said it"}],
        "hard_calls": [{**HIT, "customer_id": "K1", "emotion": "sad", "emotion_index": 20.5,
                        "talk_seconds": 60}],
        "phrases": [{**HIT, "hits": 7}],
        "rules": [{"rule_id": "S1", "rule_type": "min_ring", "severity": "major",
                   "violations": 1234, "customers": 4, "found": 1}],
        "breaches": [{"rule_id": "S2", "call_id": "c2", "customer_id": "K1", "line_id": "L1",
                      "campaign_id": "C1", "violated_at": datetime(2026, 11, 18, 14, tzinfo=UTC),
                      "found": 1}],
        "worklist": [HIT],
        "precision": [{"rule_id": "r1", "rule_version": 1, "language": "zh", "rule_name_en": "One",
                       "rule_name_zh": "一", "severity": "major", "hits": 9, "unreviewed_hits": 1,
                       "decided_hits": 8, "random_decided_hits": 8, "random_precision_ratio": 0.75,
                       "random_precision_lower": 0.41, "random_precision_upper": 0.93,
                       "found": 1}],
        "lines": [{"line_id": "L1", "line_group": "cn", "attempts": 20, "connected": 5,
                   "connection_ratio": Decimal("0.25"), "group_ratio": 0.3, "flagged_days": 1,
                   "verdict": "below_baseline", "is_suspected_flagged": True, "complaints": 2,
                   "found": 1}],
        "abandonment": [{"campaign_id": "C1", "attempts": 200, "answered": 90, "connected": 60,
                         "abandoned": 6, "found": 1}],
        "routes": [{"route": "line > agent", "callers": 30, "served": 27, "lost": 3,
                    "seconds_to_person_median": 31.0, "found": 1}],
        "freshness": [{"entity": "calls", "source": "contract", "newest_row_at": None,
                       "newest_load_at": datetime(2026, 11, 18, 16, 30, tzinfo=UTC),
                       "rows_quarantined": 2}],
    } | changes  # fmt: skip


def document(
    audience: str = "management",
    language: str = "en",
    compared: bool = True,
    view: dict[str, Any] | None = None,
    **changes: Any,
) -> Document:
    """A document of those rows."""
    drivers = [
        {"dimension": "line", "member": "L1", "attempts": 90, "connected": 50},
        {"dimension": "line", "member": "L2", "attempts": 90, "connected": 40},
    ]
    data = Data(
        PERIOD,
        rows(**changes),
        ((BEFORE, YESTERDAY),) if compared else (),
        drivers if compared else (),
    )
    shown = View(language, "Asia/Shanghai", **(view or {}))
    return make(data, audience, shown, date(2026, 11, 19))


def sentences(made: Document, section: str) -> str:
    """What a section says."""
    return " ".join(next(part.sentences for part in made.sections if part.name == section))
