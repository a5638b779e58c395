"""Logs of layouts that nobody foresaw load through a new YAML file alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from bank_log import example, make_bank_log, mapping

from callmart.landing.expressions import Evaluator, ExpressionError, check_expression
from callmart.landing.mappings import parse_mapping

from .conftest import Landing


@pytest.fixture
def own_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of mappings of one's own; before `landing` reads its settings."""
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder


def take(landing: Landing, own: Path, name: str, text: str) -> None:
    """Take a mapping of one's own into use."""
    from dataclasses import replace

    (own / f"{name}.yaml").write_text(text, encoding="utf-8")
    landing.settings = replace(landing.settings, sources_dir=own)


def layout(name: str) -> str:
    return (Path(__file__).parent / "layouts" / f"{name}.yaml").read_text(encoding="utf-8")


def clock(column: str) -> str:
    return f"to_char({column} at time zone 'UTC', 'MM-DD HH24:MI:SS')"


# --- the bank ---------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_the_bank_log_of_the_page(landing: Landing, own_sources: Path) -> None:
    take(landing, own_sources, "bank", mapping())
    landing.put("bank/1999/january", example())
    landing.load()
    assert landing.query("select rule, reason from ops.quarantine") == []
    assert landing.query(
        "select call_id, customer_id, agent_id, line_id, queue,"
        f" {clock('started_at')}, {clock('agent_joined_at')}, {clock('ended_at')}, disposition, hangup_by"
        " from raw.calls order by call_id"
    ) == [
        ("990101-AA0101-33116-00031", "9664491", None, "AA0101", "PS", "12-31 22:00:31", None,
         "12-31 22:03:09", "HANG", "customer"),
        ("990101-AA0102-33117-235848", None, "TOVA", "AA0102", "NW", "01-01 21:58:48",
         "01-01 22:00:20", "01-01 22:05:11", "AGENT", None),
        ("990101-AA0102-33118-65520", "27997683", "MICHAL", "AA0102", "PS", "01-01 04:55:20",
         "01-01 04:55:26", "01-01 04:58:57", "AGENT", None),
        ("990101-AA0103-33119-70229", None, None, "AA0103", None, "01-01 05:02:29", None,
         "01-01 05:02:30", "PHANTOM", None),
    ]  # fmt: skip
    assert landing.query(
        "select substr(call_id, 15, 5), step_no, step_type, queue,"
        f" {clock('entered_at')}, {clock('left_at')}, outcome from raw.call_routes order by 1, 2"
    ) == [
        ("33116", 1, "ivr", None, "12-31 22:00:31", "12-31 22:00:36", None),
        ("33116", 2, "queue", "PS", "12-31 22:00:36", "12-31 22:03:09", "abandoned"),
        ("33116", 3, "abandon", "PS", "12-31 22:03:09", "12-31 22:03:09", None),
        ("33117", 1, "ivr", None, "01-01 21:58:48", "01-01 21:59:00", None),
        ("33117", 2, "queue", "NW", "01-01 21:59:00", "01-01 22:00:20", "to agent"),
        ("33117", 3, "agent", "NW", "01-01 22:00:20", "01-01 22:05:11", "talked"),
        ("33118", 1, "ivr", None, "01-01 04:55:20", "01-01 04:55:26", None),
        ("33118", 2, "queue", "PS", "01-01 04:55:26", "01-01 04:55:26", "to agent"),
        ("33118", 3, "agent", "PS", "01-01 04:55:26", "01-01 04:58:57", "talked"),
        ("33119", 1, "ivr", None, "01-01 05:02:29", "01-01 05:02:30", None),
    ]  # fmt: skip
    assert landing.query("select agent_id from raw.agents order by 1") == [("MICHAL",), ("TOVA",)]


@pytest.mark.postgres
def test_every_line_of_a_bank_log_goes_in_or_is_quarantined(
    landing: Landing, own_sources: Path
) -> None:
    """Two months with the clock change of Israel in them; calls, times and faults are those of the file."""
    log = make_bank_log(4000, date(1999, 3, 15), 40)
    take(landing, own_sources, "bank", mapping())
    for name, text in log.files.items():
        landing.put(f"bank/{name}", text)
    landing.load()
    assert log.broken > 0
    assert landing.one(
        "select count(*) from ops.quarantine where entity is null or entity = 'calls'"
    ) == (log.broken)
    assert landing.one("select sum(rows_read) from ops.objects") == 4000
    zone = ZoneInfo("Asia/Jerusalem")
    expected = {
        f"{c.start:%y%m%d}-{c.line}-{c.call_id}-{c.start.hour}{c.start:%M%S}": (
            c.start.replace(tzinfo=zone).timestamp(),
            c.outcome,
            str(c.customer_id) if c.customer_id else None,
        )
        for c in log.calls
    }
    found = {
        call_id: (float(started), outcome, customer)
        for call_id, started, outcome, customer in landing.query(
            "select call_id, extract(epoch from started_at), disposition, customer_id from raw.calls"
        )
    }
    # A local time that the clock change skips is moved on by the hour; no other differs.
    skipped = landing.one("select count(*) from raw.calls where _flags <> '{}'")
    assert found.keys() == expected.keys()
    differ = [name for name, row in found.items() if row != expected[name]]
    assert len(differ) <= skipped < 20
    over_midnight = {
        f"{c.start:%y%m%d}-{c.line}-{c.call_id}-{c.start.hour}{c.start:%M%S}": (
            c.end - c.start
        ).seconds
        for c in log.calls
        if c.end.date() != c.start.date()
    }
    assert len(over_midnight) > 100
    lengths = dict(
        landing.query(
            "select call_id, extract(epoch from ended_at - started_at)::int from raw.calls"
        )
    )
    assert {name: lengths[name] for name in over_midnight} == over_midnight


# --- a city's service line --------------------------------------------------------------------------------


CITY_LOG = """City of Somewhere 311
Generated 11/19/2026 06:00 AM
Call Started,Caller,Wait,Talk Time,Result,Agent Name,Holds
11/18/2026 12:00:05 AM,(212) 555-0123,00:00:37,00:01:37,Handled,"O'Neil, Ann",10|0:20|1m 5s
11/18/2026 12:59 PM,ANONYMOUS,1:02:03,00:00:00,Abandoned,,
11/18/2026 11:59:59 PM,212-555-0124,97,0,After Hours,,
11/31/2026 11:59:59 PM,212-555-0124,97,0,After Hours,,
11/18/2026 11:59:59 PM,212-555-0125,soon,0,Handled,,
11/18/2026 11:30:00 AM,212-555-0126,5,60,Vanished,,
Total calls: 6
"""


@pytest.mark.postgres
def test_a_city_log_with_half_days_and_lengths(landing: Landing, own_sources: Path) -> None:
    take(landing, own_sources, "city", layout("city"))
    landing.put("city/noise-2026-11.csv", CITY_LOG)
    landing.load()
    assert landing.query(
        f"select from_number, {clock('started_at')}, {clock('answered_at')}, {clock('ended_at')},"
        " agent_id, queue, disposition, hold_seconds from raw.calls order by _row_number"
    ) == [
        ("+12125550123", "11-18 05:00:05", "11-18 05:00:42", "11-18 05:02:19", "o.neil.ann", "noise",
         "Handled", 95),
        (None, "11-18 17:59:00", "11-18 19:01:03", "11-18 19:01:03", None, "noise", "Abandoned", None),
        ("+12125550124", "11-19 04:59:59", None, "11-19 05:01:36", None, "noise", "After Hours", None),
        ("+12125550126", "11-18 16:30:00", "11-18 16:30:05", "11-18 16:31:05", None, "noise",
         "Vanished", None),
    ]  # fmt: skip
    assert landing.query("select row_number, rule, reason from ops.quarantine order by 1") == [
        (4, "not_a_time", "started_at is not a time of the form %m/%d/%Y %I:%M:%S %p or %m/%d/%Y %I:%M %p:"
         " 11/31/2026 11:59:59 PM; ended_at is not a time of the form %m/%d/%Y %I:%M:%S %p or"
         " %m/%d/%Y %I:%M %p: 11/31/2026 11:59:59 PM"),
        (5, "not_a_duration", "answered_at is not a duration: soon; ended_at is not a duration: soon"),
    ]  # fmt: skip
    ids = [row[0] for row in landing.query("select call_id from raw.calls")]
    assert len(set(ids)) == 4
    # The same file again in another order of lines gives the same ids.
    landing.put("city/noise-2026-12.csv", CITY_LOG.replace("Total calls: 6", "Total calls: six"))
    landing.load()
    assert {row[0] for row in landing.query("select call_id from raw.calls")} == set(ids)


# --- German headers, decimal commas, zones by column ------------------------------------------------------


GERMAN_HEADER = (
    "Lfd. Nr.;Richtung;Kunde;Zielrufnummer;Datum;Uhrzeit;Zeitzone;Gesprächsdauer (min);Ergebnis;"
    "Ende durch;Umsatz\n"
)
GERMAN_LOG = """\
1;ausgehend;K1;030 5550101;18.11.26;09:00;Europe/Berlin;1,5;Erreicht;Kunde;1.234,50
2;ausgehend;K2;0171 5550123;18.11.26;09:05;Asia/Shanghai;1.000,25;Besetzt;-;0,00
3;ausgehend;K3;0171 5550124;18.11.26;09:06;Mond/Krater;0,00;Besetzt;-;-
4;quer;K4;0171 5550125;18.11.26;09:07;Europe/Berlin;0,00;Besetzt;Putzfrau;-
5;eingehend;K5;0171 5550126;18.11.26;09:08;Europe/Berlin;0,00;Erreicht;Putzfrau;-
"""


@pytest.mark.postgres
def test_a_german_export_with_decimal_commas_and_zones_by_row(
    landing: Landing, own_sources: Path
) -> None:
    take(landing, own_sources, "anlage", layout("german"))
    landing.put("anlage/heute.txt", (GERMAN_HEADER + GERMAN_LOG).encode("cp1252"))
    landing.load()
    assert landing.query(
        f"select call_id, direction, to_number, {clock('started_at')}, {clock('ended_at')}, disposition,"
        " hangup_by, billable_seconds, _flags from raw.calls order by 1"
    ) == [
        ("de-1", "outbound", "+49305550101", "11-18 08:00:00", "11-18 08:01:30", "erreicht", "customer",
         90, {}),
        ("de-2", "outbound", "+491715550123", "11-18 01:05:00", "11-18 17:45:15", "besetzt", None,
         60015, {}),
        # A word that the map does not know: the call is kept, the word told.
        ("de-5", "inbound", "+491715550126", "11-18 08:08:00", "11-18 08:08:00", "erreicht", None, 0,
         {"hangup_by": "the mapping does not know the word Putzfrau"}),
    ]  # fmt: skip
    assert landing.query("select row_number, rule, reason from ops.quarantine order by 1") == [
        (3, "unknown_time_zone", "started_at is not a time in a known zone: 18.11.26 09:06;"
         " ended_at is not a time in a known zone: 18.11.26 09:06"),
        (4, "not_in_list", "direction is neither outbound nor inbound: quer"),
    ]  # fmt: skip
    assert landing.query(
        "select kind, subject, detail from ops.notices where kind = 'unknown_word' order by subject"
    ) == [
        ("unknown_word", "calls.direction: quer", "1 rows"),
        ("unknown_word", "calls.hangup_by: Putzfrau", "2 rows"),
    ]
    assert landing.query(
        "select demand_id, customer_id, expected_value::text, currency from raw.demands"
    ) == [("d-1", "K1", "1234.5", "EUR")]


# --- a PBX's printer log, fixed places and free lines -----------------------------------------------------


SMDR_LOG = """ Date     Time  Length   Ext  Li Number           Code
-------- ----- -------- ---- -- ---------------- ----
18/11/26 23:58 00:04'10 2011 07 0142685300       ANS
18/11/26 09:05 00:00'00 2012 08 <0612345678      NA
Page 2
18/11/26 09:06 00:00'00 2012 08
19/11/26 9h06  00:00'00 2012 08 0142685301       NA
"""


@pytest.mark.postgres
def test_a_printer_log_of_fixed_places_and_a_log_of_sentences(
    landing: Landing, own_sources: Path
) -> None:
    take(landing, own_sources, "smdr", layout("smdr"))
    landing.put("smdr/today.log", SMDR_LOG)
    landing.put(
        "smdr/today.events",
        '1795000000.5 [A7] LOGIN\n1795000100.0 [A7] PAUSE reason="lunch"\n??? restart\n'
        "1795000200.25 [A7] LOGOUT\n",
    )
    landing.load()
    assert landing.query(
        f"select direction, from_number, to_number, agent_extension, line_id, {clock('started_at')},"
        f" {clock('ended_at')}, disposition from raw.calls order by _row_number"
    ) == [
        ("outbound", None, "+33142685300", "2011", "07", "11-18 22:58:00", "11-18 23:02:10", "ANS"),
        ("inbound", "+33612345678", None, "2012", "08", "11-18 08:05:00", "11-18 08:05:00", "NA"),
    ]
    assert landing.query(
        "select object_key, row_number, rule from ops.quarantine order by object_key, row_number"
    ) == [("smdr/today.events", 3, "other_form"), ("smdr/today.log", 4, "not_a_time")]
    assert landing.query(
        "select agent_id, state, extract(epoch from started_at)::text, reason from raw.agent_states"
        " order by started_at"
    ) == [
        ("A7", "available", "1795000000.500000", None),
        ("A7", "break", "1795000100.000000", "lunch"),
        ("A7", "offline", "1795000200.250000", None),
    ]


# --- operators --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "more", "seconds"),
    [
        ("97", {}, "97"),
        ("1:37", {}, "97"),
        ("00:01:37", {}, "97"),
        ("100:00:00", {}, "360000"),
        ("0:00:01.5", {}, "1.5"),
        ("1.02:00:03", {}, "93603"),
        ("1h 2m 3s", {}, "3723"),
        ("2 min", {}, "120"),
        ("PT1M37S", {}, "97"),
        ("P1DT1H", {}, "90000"),
        ("1:37", {"two_parts": "h:m"}, "5820"),
        ("1500", {"unit": "ms"}, "1.5"),
        ("2,5", {"unit": "min"}, "150"),
        ("-0:30", {}, "-30"),
        ("", {}, None),
        ("soon", {}, None),
        ("1:2:3:4", {}, None),
    ],
)
def test_lengths_of_time(text: str, more: dict[str, str], seconds: str | None) -> None:
    frame = pd.DataFrame({"a": pd.Series([text], dtype="str")})
    expression = {"duration": {"of": "a", **more}} if more else {"duration": "a"}
    check_expression(expression, "here")
    found = Evaluator(frame, "UTC").text(expression).astype(object).tolist()
    assert [None if value != value else value for value in found] == [seconds]


@pytest.mark.parametrize(
    ("start", "end", "more", "expected"),
    [
        ("2026-11-18 23:59:50", "2026-11-18 00:00:10", {}, "2026-11-18T16:00:10+00:00"),
        ("2026-11-18 09:00:00", "2026-11-18 09:00:00", {}, "2026-11-18T01:00:00+00:00"),
        # A second too early is an inexact clock, not a call of a day.
        ("2026-11-18 09:00:01", "2026-11-18 09:00:00", {}, "2026-11-18T01:00:00+00:00"),
        ("2026-11-18 21:00:00", "2026-11-18 09:00:00", {}, "2026-11-19T01:00:00+00:00"),
        ("2026-11-18 20:59:59", "2026-11-18 09:00:00", {}, "2026-11-18T01:00:00+00:00"),
        ("2026-11-18 20:59:59", "2026-11-18 09:00:00", {"max_hours": 13}, "2026-11-19T01:00:00+00:00"),
    ],
)  # fmt: skip
def test_over_midnight(start: str, end: str, more: dict[str, int], expected: str) -> None:
    frame = pd.DataFrame({"s": pd.Series([start], dtype="str"), "e": pd.Series([end], dtype="str")})
    expression = {"time": {"of": "e", "not_before": "s", **more}}
    check_expression(expression, "here")
    found = Evaluator(frame, "Asia/Shanghai").value(expression)
    assert found.iloc[0].isoformat() == expected


def test_the_next_day_is_a_day_of_the_calendar_not_24_hours() -> None:
    """The night in which Berlin's clocks go back has 25 hours."""
    frame = pd.DataFrame({"s": ["2026-10-25 23:50:00"], "e": ["2026-10-25 00:10:00"]}, dtype="str")
    found = Evaluator(frame, "Europe/Berlin").value({"time": {"of": "e", "not_before": "s"}})
    assert found.iloc[0].isoformat() == "2026-10-25T23:10:00+00:00"


NESTED = pd.DataFrame(
    {
        "p": pd.Series(
            [
                [{"k": "a", "s": [{"n": 1}, {"n": 2}]}, {"k": "b", "s": {"n": 5}}],
                [],
                None,
            ],
            dtype=object,
        )
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ({"pick": {"from": {"x": "p", "y": "x.s"}, "of": "y.n"}}, ["1", None, None]),
        ({"pick": {"from": {"x": "p", "y": "x.s"}, "of": "y.n", "which": "last"}}, ["5", None, None]),
        ({"pick": {"from": {"x": "p", "y": "x.s"}, "of": "y.n", "which": "sum"}}, ["8", None, None]),
        ({"pick": {"from": {"x": "p", "y": "x.s"}, "of": "y.n", "which": "count"}}, ["3", "0", "0"]),
        (
            {"pick": {"from": {"x": "p", "y": "x.s"}, "of": "y.n", "when": {"equals": ["x.k", "b"]}}},
            ["5", None, None],
        ),
        ({"pick": {"from": "p", "of": "item.k", "which": "last"}}, ["b", None, None]),
        ({"pick": {"from": {"x": "p"}, "of": "x_no", "when": {"equals": ["x.k", "b"]}}}, ["2", None, None]),
    ],
)  # fmt: skip
def test_picks_from_arrays(expression: object, values: list[str | None]) -> None:
    assert check_expression(expression, "here") == {"p"}
    found = Evaluator(NESTED, "UTC").text(expression).astype(object).tolist()
    assert [None if value != value else value for value in found] == values


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"duration": {"of": "a", "unit": "weeks"}}, "one of s, ms, us, min, h"),
        ({"number": {"of": "a", "decimal": ",,"}}, "one character"),
        ({"time": {"of": "a", "zone": "Mars/Base"}}, "not a time zone"),
        ({"time": {"of": "a", "format": "dd.mm.yy"}}, "expected a form"),
        ({"pick": {"from": "a", "of": "b", "which": "best"}}, "one of first"),
        ({"case": [{"else": "a"}, {"when": {"is_set": "a"}, "then": "b"}]}, "expected then, when"),
        ({"split": {"of": "a", "by": ""}}, "expected a text"),
        ({"null_if": ["a", "b"]}, "expected a list"),
    ],
)
def test_new_operators_that_mean_nothing(expression: object, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        check_expression(expression, "calls.x")


FAULTY = """source: x
tables:
  - keys: [x/**]
    rows:
      - entity: agents
        fields:
          agent_id: id
          name: {coalesce: [a, {lower: {shout: b}}]}
"""


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (FAULTY, 8, 41),
        (FAULTY.replace("coalesce: [a, {lower: {shout: b}}]", "const: b").replace("name:", "nome:"), 8, 11),
        (FAULTY.replace("agents", "robots"), 5, 9),
        (FAULTY + "          name: c\n", 9, 11),
        (FAULTY.replace("source: x", "source: x\ntime_zone: Mars/Base"), 2, 1),
        (FAULTY.replace("fields:", "when: {near: a}\n        fields:").replace("shout", "lower"), 6, 16),
    ],
)  # fmt: skip
def test_a_fault_is_found_by_line_and_column(text: str, line: int, column: int) -> None:
    from callmart.landing import MappingError

    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "mine.yaml")
    assert (caught.value.faults[0].line, caught.value.faults[0].column) == (line, column)
    assert str(caught.value).startswith(f"mine.yaml: line {line}, column {column}: ")
