"""Source mappings: what they may say, and what the shipped ones make of their systems' files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from callmart.landing import MappingError, load_dispositions_csv, load_mappings
from callmart.landing.expressions import (
    Evaluator,
    ExpressionError,
    check_condition,
    check_expression,
)
from callmart.landing.mappings import compile_glob, parse_mapping, split_media_name
from callmart.settings import Settings

from .conftest import Landing

EXTENSIONS = ("wav", "mp3", "ulaw")
NOW = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("c1.wav", ("c1", "both", "wav")),
        ("1795010700.4021.agent.wav", ("1795010700.4021", "agent", "wav")),
        ("1795010700.4021.customer.WAV", ("1795010700.4021", "customer", "wav")),
        ("cmpC_eu_00021.take-1.ulaw", ("cmpC_eu_00021.take-1", "both", "ulaw")),
        ("7f3a@pbx-sh1.mp3", ("7f3a@pbx-sh1", "both", "mp3")),
        ("c.agent-7.wav", ("c.agent-7", "both", "wav")),
        ("c.wav.mp3", ("c", "both", "mp3")),
        ("wav.mp3", ("wav", "both", "mp3")),
    ],
)
def test_a_call_id_is_what_stands_before_the_first_known_suffix(
    name: str, parts: tuple[str, str, str]
) -> None:
    assert split_media_name(name, EXTENSIONS) == parts


@pytest.mark.parametrize(
    ("glob", "key", "matches"),
    [
        ("crm/*/dt=*/**", "crm/calls/dt=2026-11-18/a/b.csv", True),
        ("crm/*/dt=*/**", "crm/calls/deep/dt=2026-11-18/b.csv", False),
        ("a/*.csv", "a/b/c.csv", False),
        ("a/**.{csv,jsonl}", "a/b/c.jsonl", True),
        ("a/**.{csv,jsonl}", "a/b/c.json", False),
        ("a/?.csv", "a/(.csv", True),
        ("a/[x].csv", "a/[x].csv", True),
    ],
)
def test_globs(glob: str, key: str, matches: bool) -> None:
    assert bool(compile_glob(glob).fullmatch(key)) is matches


FRAME = pd.DataFrame(
    {
        "a": pd.Series(["1", "", None], dtype="str"),
        "b": pd.Series(["x-7", "Y", None], dtype="str"),
        "t": pd.Series(["2026-11-18 09:00:00", "2026-11-18T01:00:00Z", "never"], dtype="str"),
        "n": pd.Series([{"k": [{"v": 5}]}, {"k": []}, None], dtype=object),
        "de": pd.Series(["18.11.2026 09:00", "x", None], dtype="str"),
        "e": pd.Series(["1795010700.5", "0", "soon"], dtype="str"),
    }
)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("b", ["x-7", "Y", None]),
        ("no_such_field", [None, None, None]),
        ("n.k.0.v", ["5", None, None]),
        ({"const": 3}, ["3", "3", "3"]),
        ({"coalesce": ["a", "b"]}, ["1", "Y", None]),
        ({"concat": ["a", {"const": "-"}, "b"]}, ["1-x-7", None, None]),
        ({"regex": {"of": "b", "pattern": r"-(\d)$"}}, ["7", None, None]),
        ({"upper": "b"}, ["X-7", "Y", None]),
        ({"words": {"of": "b", "map": {"y": "yes"}}}, ["x-7", "yes", None]),
        ({"words": {"of": "b", "map": {"y": "yes"}, "else": None}}, [None, "yes", None]),
        ({"words": {"of": "b", "map": {}, "else": "other"}}, ["other", "other", None]),
        ({"add": ["a", {"const": 0.5}]}, ["1.5", None, None]),
        ({"divide": ["a", {"const": 0}]}, [None, None, None]),
        ({"if": {"when": {"is_set": "a"}, "then": "b"}}, ["x-7", None, None]),
        (
            {"if": {"when": {"not": {"in": ["b", ["Y"]]}}, "then": "a", "else": "b"}},
            ["1", "Y", None],
        ),
        ({"if": {"when": {"greater": ["a", 0]}, "then": "a", "else": "b"}}, ["1", "Y", None]),
        ({"if": {"when": {"matches": ["b", "^(x|z)"]}, "then": "b"}}, ["x-7", None, None]),
    ],
)
def test_expressions(expression: Any, values: list[str | None]) -> None:
    check_expression(expression, "here")
    found = Evaluator(FRAME, "Asia/Shanghai").text(expression)
    assert [None if value != value else value for value in found.astype(object)] == values


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ({"add_seconds": ["t", {"const": 1.5}]}, "2026-11-18T01:00:01.500000+00:00"),
        ({"subtract_seconds": ["t", "a"]}, "2026-11-18T00:59:59+00:00"),
        ({"epoch": "e"}, "2026-11-18T14:05:00.500000+00:00"),
        ({"epoch_ms": {"multiply": ["e", {"const": 1000}]}}, "2026-11-18T14:05:00.500000+00:00"),
        ({"time": {"of": "de", "format": "%d.%m.%Y %H:%M"}}, "2026-11-18T01:00:00+00:00"),
        (
            {"time": {"of": "de", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}},
            "2026-11-18T08:00:00+00:00",
        ),
    ],
)
def test_expressions_of_time(expression: Any, first: str) -> None:
    check_expression(expression, "here")
    found = Evaluator(FRAME, "Asia/Shanghai").value(expression)
    assert found.iloc[0].isoformat() == first
    assert found.iloc[2] is pd.NaT


def test_seconds_between_and_epoch_of_times() -> None:
    evaluator = Evaluator(FRAME, "Asia/Shanghai")
    assert evaluator.text({"seconds_between": ["t", {"epoch": "e"}]}).iloc[0] == "47100.5"
    assert evaluator.text({"to_epoch": "t"}).iloc[1] == "1794963600"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "empty"),
        ({"eval": "1"}, "no such operator"),
        ({"const": [1]}, "word or a number"),
        ({"add": ["a"]}, "list of 2"),
        ({"concat": []}, "expected a list"),
        ({"regex": {"of": "a", "pattern": "("}}, "not a pattern"),
        ({"regex": {"of": "a", "pattern": "a"}}, "no group 1"),
        ({"words": {"of": "a"}}, "expected else, map, of"),
        ({"if": {"when": {"near": "a"}, "then": "b"}}, "no such condition"),
        ({"lower": "a", "upper": "b"}, "expected one operator"),
    ],
)
def test_expressions_that_mean_nothing(expression: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        check_expression(expression, "calls.x")


def test_conditions_that_mean_nothing() -> None:
    for condition in ({"equals": ["a"]}, {"in": ["a", "b"]}, {"greater": ["a", "b"]}, "a"):
        with pytest.raises(ExpressionError):
            check_condition(condition, "calls.when")


TABLES = (
    "source: x\ntables:\n  - keys: [x/**]\n    rows:\n      - entity: agents\n        fields: {}\n"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "a source mapping is a YAML mapping"),
        ("source: [", "not YAML"),
        ("source: X y", "source"),
        ("source: x\ncolour: red", "colour"),
        ("source: x\ntime_zone: Mars/Base", "Mars/Base is not a time zone"),
        ("source: x\ncountry: XX", "XX is not a country"),
        ("source: x\ndispositions: {A: dead}", "dead is no outcome"),
        ("source: x\ndispositions: {A: human, a: busy}", "a has two outcomes"),
        (TABLES, "agents needs agent_id"),
        (TABLES.replace("{}", "{agent_id: a, height: b}"), "agents has no column height"),
        (TABLES.replace("agents", "robots"), "robots is no entity"),
        (
            TABLES.replace("{}", "{agent_id: {eval: a}}"),
            r"agents\.agent_id\.eval: no such operator",
        ),
        ("source: x\ntables:\n  - keys: [x]", "needs either rows or entity_from_key"),
        ("source: x\ntables:\n  - keys: [x]\n    entity_from_key: (\n", "not a pattern"),
    ],
)
def test_a_faulty_mapping_is_refused_with_file_and_place(text: str, message: str) -> None:
    with pytest.raises(MappingError, match=message) as caught:
        parse_mapping(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")


def settings_at(folder: Path, **more: str) -> Settings:
    return Settings.from_environment({"CALLMART_HOME": str(folder), **more})


def test_a_mapping_of_one_s_own_adds_to_a_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "pbx.yaml").write_text(
        "source: asterisk\ntime_zone: Europe/Berlin\nagent_channel: 1\n"
        "dispositions: {ANSWERED: human, WEG: no_answer}\n"
    )
    mappings = load_mappings(settings_at(tmp_path, CALLMART_SOURCES_DIR=str(own)))
    asterisk = mappings.sources["asterisk"]
    assert asterisk.dispositions["ANSWERED"] == "human"
    assert asterisk.dispositions["BUSY"] == "busy"
    assert asterisk.tables
    assert mappings.source_time_zone("asterisk") == "Europe/Berlin"
    assert mappings.source_time_zone("contract") == "Asia/Shanghai"
    assert [mappings.agent_channel(s) for s in ("asterisk", "contract", None)] == [1, 0, 0]


def test_dispositions_csv(tmp_path: Path) -> None:
    words = tmp_path / "dispositions.csv"
    words.write_text("disposition,outcome\nSALE,human\nABANDONED,\n", encoding="utf-8-sig")
    settings = settings_at(tmp_path / "home")
    assert load_dispositions_csv(settings, words) == {"SALE": "human", "ABANDONED": None}
    assert load_mappings(settings).sources["contract"].dispositions["SALE"] == "human"

    words.write_text("disposition,outcome\nDROP,human\n")
    load_dispositions_csv(settings, words)
    assert set(load_mappings(settings).sources["contract"].dispositions) == {"DROP"}

    for text, message in (
        ("word,outcome\n", "columns disposition and outcome"),
        ("disposition,outcome\nA,human\nB,dead\n", "row 2: dead is no outcome"),
        ("disposition,outcome\n,human\n", "row 1: the disposition is empty"),
    ):
        words.write_text(text)
        with pytest.raises(MappingError, match=message):
            load_dispositions_csv(settings, words)


def test_the_day_of_delivery_of_foreign_keys(tmp_path: Path) -> None:
    mappings = load_mappings(settings_at(tmp_path))
    for key, day in (
        ("amazon_connect/agent_events/2026/10/05/09/stream-1", "2026-10-05"),
        ("asterisk/cdr/dt=2026-10-06/Master.csv", "2026-10-06"),
        ("asterisk/cdr/Master.csv", "2026-11-19"),  # 20:00 UTC is the next day in Shanghai
    ):
        assert mappings.route(key, NOW).delivered_on.isoformat() == day


# --- the shipped mappings ---------------------------------------------------------------------------------


CDR = [
    '"","8001","013800138000","from-internal","""A"" <8001>","PJSIP/8001-0001","PJSIP/trunk-0002","Dial",'
    '"PJSIP/013800138000@trunk,30","2026-11-18 09:10:00","2026-11-18 09:10:12","2026-11-18 09:11:00",'
    '60,48,"ANSWERED","DOCUMENTATION","1795000000.1",""',
    '"","8001","013800138001","from-internal","","PJSIP/8001-0003","PJSIP/trunk-0004","Dial","x",'
    '"2026-11-18 09:20:00","","2026-11-18 09:20:30",30,0,"NO ANSWER","DOCUMENTATION","1795000000.2",""',
    '"","02165529988","4000","from-pstn","","PJSIP/trunk-0005","PJSIP/8002-0006","Queue","vip,t,,,45",'
    '"2026-11-18 09:30:00","2026-11-18 09:30:01","2026-11-18 09:32:00",120,119,"ANSWERED","DOCUMENTATION",'
    '"1795000000.3","rec/1795000000.3.wav"',
]


@pytest.mark.postgres
def test_asterisk_cdr(landing: Landing) -> None:
    landing.put("asterisk/cdr/dt=2026-11-18/Master.csv", "\n".join(CDR) + "\n")
    landing.load()
    assert landing.query("select reason from ops.quarantine") == []
    calls = landing.query(
        "select call_id, direction, from_number, to_number, agent_extension,"
        " to_char(started_at, 'HH24:MI:SS'), to_char(answered_at, 'HH24:MI:SS'),"
        " to_char(agent_joined_at, 'HH24:MI:SS'), disposition, queue, billable_seconds,"
        " recording_key from raw.calls order by call_id"
    )
    assert calls == [
        (
            "1795000000.1", "outbound", None, "+8613800138000", "8001", "01:10:00", "01:10:12",
            "01:10:12", "ANSWERED", None, 48, None,
        ),
        (
            "1795000000.2", "outbound", None, "+8613800138001", "8001", "01:20:00", None,
            None, "NO ANSWER", None, 0, None,
        ),
        (
            "1795000000.3", "inbound", "+862165529988", None, "8002", "01:30:00", "01:30:01",
            None, "ANSWERED", "vip", 119, "rec/1795000000.3.wav",
        ),
    ]  # fmt: skip
    words = dict(
        landing.query(
            "select disposition, outcome from ops.disposition_words where source = 'asterisk'"
        )
    )
    assert (words["ANSWERED"], words["NO ANSWER"], words["human"]) == (None, "no_answer", "human")


QUEUE_LOG = """1795000000|NONE|NONE|PJSIP/8002|ADDMEMBER|
1795000100|1795000000.3|vip|NONE|ENTERQUEUE||+862165529988|1
1795000107|1795000000.3|vip|PJSIP/8003|RINGNOANSWER|5000
1795000120|1795000000.3|vip|PJSIP/8002|CONNECT|20|1795000115.9|5
1795000180|1795000000.3|vip|PJSIP/8002|COMPLETECALLER|20|60|1
1795000200|NONE|NONE|PJSIP/8002|PAUSE|lunch
1795000300|1795000000.4|vip|NONE|ABANDON|1|1|48
1795000400|NONE|NONE|PJSIP/8002|UNPAUSE|
1795000500|NONE|vip|PJSIP/8002|REMOVEMEMBER|
"""


@pytest.mark.postgres
def test_asterisk_queue_log(landing: Landing) -> None:
    landing.put("asterisk/queue_log/dt=2026-11-18/queue_log", QUEUE_LOG)
    landing.load()
    assert landing.query("select reason from ops.quarantine") == []
    routes = landing.query(
        "select call_id, step_type, queue, extract(epoch from entered_at)::bigint - 1795000000,"
        " extract(epoch from left_at)::bigint - 1795000000, outcome"
        " from raw.call_routes order by call_id, step_no"
    )
    assert routes == [
        ("1795000000.3", "queue", "vip", 100, 120, "to agent"),
        ("1795000000.3", "agent", "vip", 120, 180, "talked"),
        ("1795000000.4", "queue", "vip", 252, 300, "abandoned"),
        ("1795000000.4", "abandon", "vip", 300, 300, None),
    ]
    states = landing.query(
        "select agent_id, state, extract(epoch from started_at)::bigint - 1795000000 as at,"
        " extract(epoch from ended_at)::bigint - 1795000000, call_id, reason"
        " from raw.agent_states order by agent_id, at"
    )
    assert states == [
        ("8002", "available", 0, None, None, None),
        ("8002", "ringing", 115, 120, "1795000000.3", None),
        ("8002", "talking", 120, None, "1795000000.3", None),
        ("8002", "available", 180, None, None, None),
        ("8002", "meal", 200, None, None, "lunch"),
        ("8002", "available", 400, None, None, None),
        ("8002", "offline", 500, None, None, None),
        ("8003", "ringing", 102, 107, "1795000000.3", None),
        ("8003", "available", 107, None, None, None),
    ]


ARN = "arn:aws:connect:eu-central-1:1:instance/i/agent/a-7"
CONTACT = {
    "ContactId": "11111111-2222-3333-4444-555555555555",
    "Channel": "VOICE",
    "InitiationMethod": "INBOUND",
    "InitiationTimestamp": "2026-11-18T09:00:00Z",
    "ConnectedToSystemTimestamp": "2026-11-18T09:00:00Z",
    "DisconnectTimestamp": "2026-11-18T09:05:00Z",
    "LastUpdateTimestamp": "2026-11-18T09:06:00Z",
    "DisconnectReason": "CUSTOMER_DISCONNECT",
    "CustomerEndpoint": {"Address": "+442079460011", "Type": "TELEPHONE_NUMBER"},
    "SystemEndpoint": {"Address": "+442079460990", "Type": "TELEPHONE_NUMBER"},
    "Queue": {
        "Name": "vip",
        "EnqueueTimestamp": "2026-11-18T09:00:10Z",
        "DequeueTimestamp": "2026-11-18T09:00:30Z",
    },
    "Agent": {
        "ARN": ARN,
        "Username": "anna",
        "ConnectedToAgentTimestamp": "2026-11-18T09:00:30Z",
        "CustomerHoldDuration": 15,
        "AfterContactWorkDuration": 40,
    },
    "Attributes": {"customer_id": "C-0011"},
    "Recording": {"Location": "bucket/rec.wav"},
}
GIVEN_UP = {
    **CONTACT,
    "ContactId": "22222222-2222-3333-4444-555555555555",
    "Agent": None,
    "Queue": {"Name": "vip", "EnqueueTimestamp": "2026-11-18T09:00:10Z"},
}
OUTBOUND = {
    **CONTACT,
    "ContactId": "33333333-2222-3333-4444-555555555555",
    "InitiationMethod": "OUTBOUND",
    "ConnectedToSystemTimestamp": None,
    "DisconnectReason": "TELECOM_BUSY",
    "Agent": None,
    "Queue": None,
}
CHAT = {**CONTACT, "ContactId": "44444444-2222-3333-4444-555555555555", "Channel": "CHAT"}


@pytest.mark.postgres
def test_amazon_connect_contact_records(landing: Landing) -> None:
    # As a delivery stream writes them: one after another, nothing between.
    body = "".join(json.dumps(record) for record in (CONTACT, GIVEN_UP, OUTBOUND, CHAT))
    landing.put("amazon_connect/contact_records/2026/11/18/09/stream-1-part", body)
    landing.load()
    assert landing.query("select reason from ops.quarantine") == []
    calls = landing.query(
        "select left(call_id, 1), direction, agent_id, customer_id, from_number, to_number,"
        " answered_at is not null, agent_joined_at is not null, disposition, hangup_by,"
        " hold_seconds, wrap_up_seconds, queue, _delivered_on::text from raw.calls order by 1"
    )
    line, customer, day = "+442079460990", "+442079460011", "2026-11-18"
    assert calls == [
        (
            "1", "inbound", "a-7", "C-0011", customer, line, True, True, "CUSTOMER_DISCONNECT",
            "customer", 15, 40, "vip", day,
        ),
        (
            "2", "inbound", None, "C-0011", customer, line, True, False, "CUSTOMER_DISCONNECT",
            "customer", None, None, "vip", day,
        ),
        (
            "3", "outbound", None, "C-0011", line, customer, False, False, "TELECOM_BUSY", None,
            None, None, None, day,
        ),
    ]  # fmt: skip
    routes = landing.query(
        "select left(call_id, 1), step_no, step_type, to_char(entered_at, 'MI:SS'),"
        " to_char(left_at, 'MI:SS'), outcome from raw.call_routes order by 1, 2"
    )
    assert routes == [
        ("1", 1, "queue", "00:10", "00:30", "to agent"),
        ("1", 2, "agent", "00:30", "05:00", "talked"),
        ("2", 1, "queue", "00:10", "05:00", "abandoned"),
        ("2", 2, "abandon", "05:00", "05:00", None),
    ]


@pytest.mark.postgres
def test_amazon_connect_contact_events_in_the_bus_s_envelope(landing: Landing) -> None:
    event = {
        "contactId": CONTACT["ContactId"],
        "channel": "VOICE",
        "initiationMethod": "INBOUND",
        "initiationTimestamp": "2026-11-18T09:00:00Z",
        "queueInfo": {
            "queueArn": "arn:x/queue/q-1",
            "enqueueTimestamp": "2026-11-18T09:00:10Z",
        },
    }
    later = {
        **event,
        "eventType": "CONNECTED_TO_AGENT",
        "agentInfo": {"agentArn": ARN, "connectedToAgentTimestamp": "2026-11-18T09:00:30Z"},
    }
    lines = [json.dumps({"source": "aws.connect", "detail": detail}) for detail in (later, event)]
    landing.put("amazon_connect/contact_events/2026/11/18/e.jsonl", "\n".join(lines))
    landing.put("amazon_connect/contact_records/2026/11/18/r", json.dumps(CONTACT))
    landing.load()
    versions = landing.query(
        "select agent_id, agent_joined_at is not null, ended_at is not null"
        " from raw.calls order by updated_at"
    )
    assert versions == [(None, False, False), ("a-7", True, False), ("a-7", True, True)]
    assert landing.query(
        "select step_no, queue, outcome from raw.call_routes where _object_key like %s"
        " order by updated_at, step_no",
        "%contact_events%",
    ) == [(1, "q-1", None), (1, "q-1", "to agent"), (2, "q-1", None)]


@pytest.mark.postgres
def test_amazon_connect_agent_events(landing: Landing) -> None:
    def event(at: str, kind: str, status: str, since: str, *contacts: Any, before: Any = ()) -> Any:
        return {
            "AgentARN": ARN,
            "EventType": kind,
            "EventTimestamp": f"2026-11-18T{at}Z",
            "CurrentAgentSnapshot": {
                "AgentStatus": {"Name": status, "StartTimestamp": f"2026-11-18T{since}Z"},
                "Configuration": {
                    "FirstName": "Anna",
                    "LastName": "Li",
                    "Username": "anna",
                    "RoutingProfile": {"Name": "north"},
                },
                "Contacts": list(contacts),
            },
            "PreviousAgentSnapshot": {"Contacts": list(before)},
        }

    def contact(state: str, at: str) -> Any:
        return {"ContactId": "k", "State": state, "StateStartTimestamp": f"2026-11-18T{at}Z"}

    talking, ended = contact("CONNECTED", "09:10:00"), contact("ENDED", "09:12:00")
    events = [
        event("09:00:00", "LOGIN", "Available", "09:00:00"),
        event("09:10:00", "STATE_CHANGE", "Available", "09:00:00", talking),
        event("09:12:00", "STATE_CHANGE", "Available", "09:00:00", ended, before=[talking]),
        event("09:12:30", "STATE_CHANGE", "Available", "09:00:00", before=[ended]),
        event("09:14:00", "HEART_BEAT", "Available", "09:00:00"),
        event("09:20:00", "STATE_CHANGE", "Lunch", "09:20:00"),
        event("09:50:00", "STATE_CHANGE", "Smoking", "09:50:00"),
        event("18:00:00", "LOGOUT", "Offline", "18:00:00"),
    ]
    landing.put("amazon_connect/agent_events/2026/11/18/a", json.dumps(events, indent=1))
    landing.load()
    assert landing.query("select reason from ops.quarantine") == []
    states = landing.query(
        "select distinct state, to_char(started_at, 'HH24:MI:SS') as at, call_id, agent_id"
        " from raw.agent_states order by at"
    )
    assert states == [
        ("available", "09:00:00", None, "a-7"),
        ("talking", "09:10:00", "k", "a-7"),
        ("wrap_up", "09:12:00", "k", "a-7"),
        ("available", "09:12:30", None, "a-7"),
        ("meal", "09:20:00", None, "a-7"),
        ("break", "09:50:00", None, "a-7"),
        ("offline", "18:00:00", None, "a-7"),
    ]
    assert landing.query("select agent_id, name, team from raw.agents") == [
        ("a-7", "Anna Li", "north")
    ]


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["agent-events", "contact-events"])
def test_the_samples_of_the_administrator_guide_go_in(
    landing: Landing, test_data: Path, name: str
) -> None:
    sample = test_data / "calls-other" / "amazon_connect" / f"{name}.json"
    landing.put(f"amazon_connect/{name.replace('-', '_')}/2021/08/04/s.json", sample.read_bytes())
    summary = landing.load()
    assert (summary.loaded, summary.rows_quarantined, summary.quarantined) == (1, 0, 0)
    assert summary.rows_loaded >= 2


@pytest.mark.postgres
def test_connect_recordings_are_named_by_contact_and_time(landing: Landing) -> None:
    name = "11111111-2222-3333-4444-555555555555_20261118T09:00_UTC.wav"
    landing.put(f"amazon_connect/x/CallRecordings/2026/11/18/{name}", b"RIFF")
    landing.load()
    assert landing.query(
        "select call_id, delivered_on::text, source from raw.recordings"
        " join ops.objects using (object_id, delivered_on)"
    ) == [("11111111-2222-3333-4444-555555555555", "2026-11-18", "amazon_connect")]
    assert load_mappings(landing.settings).agent_channel("amazon_connect") == 1
