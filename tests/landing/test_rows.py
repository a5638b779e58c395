"""Values of a row against the contract."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmart.contracts import load_entities
from callmart.landing.rows import (
    CheckedRows,
    Locale,
    as_text,
    check_rows,
    normalize_phone,
    parse_times,
)

SHANGHAI = Locale("Asia/Shanghai", "CN")


def check(entity: str, rows: list[dict[str, Any]], locale: Locale = SHANGHAI) -> CheckedRows:
    names = {name for row in rows for name in row}
    columns = {
        name: pd.Series([row.get(name) for row in rows], dtype=object) for name in sorted(names)
    }
    numbers = np.arange(len(rows), dtype=np.int64) + 1
    parts = np.zeros(len(rows), dtype=np.int32)
    extra = pd.DataFrame(index=range(len(rows)))
    return check_rows(load_entities()[entity], columns, extra, numbers, parts, locale)


GOOD_CALL = {"call_id": "c", "direction": "outbound", "started_at": "2026-11-18T09:00:00+08:00"}


@pytest.mark.parametrize(
    ("change", "rule", "reason"),
    [
        ({"call_id": ""}, "key_empty", "the key call_id is empty"),
        ({"call_id": "  "}, "key_empty", "the key call_id is empty"),
        ({"direction": None}, "required_empty", "the required column direction is empty"),
        (
            {"started_at": "2026-11-18 25:61:00"},
            "not_a_time",
            "started_at is not a time: 2026-11-18 25:61:00",
        ),
        ({"started_at": "2026-02-30"}, "not_a_time", "started_at is not a time: 2026-02-30"),
        ({"ended_at": "yesterday"}, "not_a_time", "ended_at is not a time: yesterday"),
        ({"ended_at": "1795010700"}, "not_a_time", "ended_at is not a time: 1795010700"),
        (
            {"direction": "sideways"},
            "not_in_list",
            "direction is neither outbound nor inbound: sideways",
        ),
        (
            {"hangup_by": "cat"},
            "not_in_list",
            "hangup_by is none of agent, customer, dialler, network: cat",
        ),
        ({"sip_code": "200.5"}, "not_an_integer", "sip_code is not a whole number: 200.5"),
        ({"hold_seconds": "NaN"}, "not_a_number", "hold_seconds is not a number: NaN"),
        ({"hold_seconds": "1e9999"}, "not_a_number", "hold_seconds is not a number: 1e9999"),
        ({"queue": "a\x00b"}, "nul_character", "queue holds a NUL character: a\ufffdb"),
        (
            {"direction": "x", "sip_code": "y"},
            "not_in_list",
            "direction is neither outbound nor inbound: x; sip_code is not a whole number: y",
        ),
    ],
)
def test_a_row_that_breaks_the_contract(change: dict[str, Any], rule: str, reason: str) -> None:
    checked = check("calls", [GOOD_CALL, {**GOOD_CALL, **change}, GOOD_CALL])
    assert checked.table["_row_number"].to_pylist() == [1, 3]
    (row,) = checked.rejected
    assert (row.row_number, row.rule, row.reason) == (2, rule, reason)
    assert row.payload["call_id"] in (change.get("call_id", "c"), None)


@pytest.mark.parametrize(
    ("entity", "row", "column", "value"),
    [
        ("calls", {"sip_code": "200.0"}, "sip_code", "200"),
        ("calls", {"sip_code": 486}, "sip_code", "486"),
        ("calls", {"hold_seconds": Decimal("1.50")}, "hold_seconds", "1.50"),
        ("calls", {"direction": " Outbound "}, "direction", "outbound"),
        ("calls", {"call_id": 42}, "call_id", "42"),
        ("calls", {"queue": ""}, "queue", None),
        ("lines", {"is_active": True}, "is_active", True),
        ("lines", {"is_active": "No"}, "is_active", False),
        ("lines", {"is_active": None}, "is_active", None),
        ("campaigns", {"starts_on": "2026-11-18"}, "starts_on", date(2026, 11, 18)),
        ("campaigns", {"starts_on": "2026-11-18T23:00:00-08:00"}, "starts_on", date(2026, 11, 18)),
        ("sales_rules", {"parameters": {"count": 3}}, "parameters", '{"count": 3}'),
        ("sales_rules", {"parameters": '{"count": 3}'}, "parameters", '{"count": 3}'),
    ],
)
def test_values_that_are_taken(entity: str, row: dict[str, Any], column: str, value: Any) -> None:
    base = {
        "calls": GOOD_CALL,
        "lines": {"line_id": "L", "number": "+8621000000001"},
        "campaigns": {"campaign_id": "A"},
        "sales_rules": {"rule_id": "r", "rule_type": "t", "effective_from": "2026-11-01"},
    }[entity]
    checked = check(entity, [{**base, **row}])
    assert checked.rejected == []
    assert checked.table[column].to_pylist() == [value]


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-11-18T09:10:00+08:00", "UTC", "2026-11-18T01:10:00+00:00"),
        ("2026-11-18T09:10:00Z", "Asia/Shanghai", "2026-11-18T09:10:00+00:00"),
        ("2026-11-18 09:10:00", "Asia/Shanghai", "2026-11-18T01:10:00+00:00"),
        ("2026-11-18 09:10", "America/New_York", "2026-11-18T14:10:00+00:00"),
        ("2026-11-18", "Asia/Shanghai", "2026-11-17T16:00:00+00:00"),
        ("20261118T091000+0800", "UTC", "2026-11-18T01:10:00+00:00"),
        ("2026-11-18T09:10:00.123456-05", "UTC", "2026-11-18T14:10:00.123456+00:00"),
        ("9999-12-31", "UTC", "9999-12-31T00:00:00+00:00"),
    ],
)
def test_times(text: str, zone: str, utc: str) -> None:
    times, bad, ambiguous, nonexistent = parse_times(pd.Series([text], dtype="str"), zone)
    assert times.iloc[0].isoformat() == utc
    assert (bad | ambiguous | nonexistent).tolist() == [False]


def test_local_times_at_a_clock_change_are_read_and_flagged() -> None:
    text = pd.Series(
        ["2026-11-01 01:30:00", "2026-03-08 02:30:00", "2026-11-01 03:00:00"], dtype="str"
    )
    times, bad, ambiguous, nonexistent = parse_times(text, "America/New_York")
    assert not bad.any()
    assert ambiguous.tolist() == [True, False, False]
    assert nonexistent.tolist() == [False, True, False]
    assert times.iloc[0].isoformat() == "2026-11-01T05:30:00+00:00"  # still daylight saving time
    assert times.iloc[1].isoformat() == "2026-03-08T07:00:00+00:00"  # the end of the gap


def test_the_flag_is_kept_with_the_row() -> None:
    rows = [{**GOOD_CALL, "started_at": "2026-11-01 01:30:00"}, GOOD_CALL]
    checked = check("calls", rows, Locale("America/New_York", "US"))
    assert checked.table["_flags"].to_pylist() == [
        '{"started_at": "ambiguous local time, read as the earlier"}',
        "{}",
    ]
    assert checked.flag_counts == {("ambiguous_time", "started_at"): 1}


@settings(deadline=None)
@given(
    moment=st.integers(631_152_000_000_000, 4_102_444_800_000_000).map(
        lambda microseconds: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
    ),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin"]),
)
def test_a_time_with_an_offset_is_the_same_moment_in_every_source(
    moment: datetime, zone: str
) -> None:
    text = pd.Series([moment.isoformat()], dtype="str")
    for source_zone in ("UTC", zone):
        assert parse_times(text, source_zone)[0].iloc[0] == pd.Timestamp(moment)


@pytest.mark.parametrize(
    ("number", "country", "e164"),
    [
        ("+8610000000001", "CN", "+8610000000001"),
        ("010-6552 9988", "CN", "+861065529988"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("0086 138 0013 8000", "CN", "+8613800138000"),
        ("(212) 555-0190", "US", "+12125550190"),
        ("020 7946 0011", "GB", "+442079460011"),
        ("+49 30 123456", "CN", "+4930123456"),
        ("anonymous", "CN", None),
        ("12", "CN", None),
        ("8001", "US", None),
    ],
)
def test_phones(number: str, country: str, e164: str | None) -> None:
    assert normalize_phone(number, country) == e164


def test_a_number_that_is_none_is_kept_and_flagged() -> None:
    checked = check(
        "calls", [{**GOOD_CALL, "from_number": "anonymous", "to_number": "13800138000"}]
    )
    assert checked.rejected == []
    assert checked.table["from_number"].to_pylist() == [None]
    assert checked.table["from_number_delivered"].to_pylist() == ["anonymous"]
    assert checked.table["to_number"].to_pylist() == ["+8613800138000"]
    assert checked.table["_flags"].to_pylist() == ['{"from_number": "not a phone number in CN"}']


def test_a_time_that_an_expression_leaves_empty_is_null() -> None:
    from callmart.landing.expressions import Evaluator

    frame = pd.DataFrame({"at": ["2026-11-18 09:00:00", "", None], "kind": ["a", "a", "b"]})
    expression = {"if": {"when": {"equals": ["kind", "a"]}, "then": {"time": {"of": "at"}}}}
    texts = as_text(Evaluator(frame, "UTC").value(expression))
    assert texts.iloc[0] == "2026-11-18T09:00:00+00:00"
    assert texts.isna().tolist() == [False, True, True]
