"""The shipped mappings of FreeSWITCH, VICIdial and Genesys Cloud, on files as these systems write them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from callmart.landing.mappings import shipped_sources

from .conftest import Landing

START = datetime(2026, 11, 18, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai


def clock(statement_column: str) -> str:
    return f"to_char({statement_column} at time zone 'UTC', 'HH24:MI:SS')"


def nothing_is_amiss(landing: Landing, *known_notices: tuple[str, str]) -> None:
    assert landing.query("select object_key, rule, reason from ops.quarantine") == []
    assert (
        landing.query("select object_key, message from ops.objects where status <> 'loaded'") == []
    )
    assert set(landing.query("select distinct kind, subject from ops.notices")) == set(
        known_notices
    )


# --- outcomes ---------------------------------------------------------------------------------------------


OUTCOMES = {
    "freeswitch": {
        "NORMAL_CLEARING": None,
        "USER_BUSY": "busy",
        "NO_ANSWER": "no_answer",
        "NO_USER_RESPONSE": "no_answer",
        "ORIGINATOR_CANCEL": "cancelled",
        "CALL_REJECTED": "rejected",
        "UNALLOCATED_NUMBER": "invalid_number",
        "INVALID_NUMBER_FORMAT": "invalid_number",
        "SUBSCRIBER_ABSENT": "unreachable",
        "NORMAL_CIRCUIT_CONGESTION": "congestion",
        "NETWORK_OUT_OF_ORDER": "network_failure",
    },
    "vicidial": {
        "A": "voicemail",
        "AA": "voicemail",
        "AM": "voicemail",
        "AFAX": "fax",
        "B": "busy",
        "AB": "busy",
        "N": "no_answer",
        "NA": "no_answer",
        "DC": "invalid_number",
        "ADC": "invalid_number",
        "DROP": "human",
        "XDROP": "human",
        "SALE": "human",
        "DNC": "human",
        "CALLBK": "human",
        "XFER": "human",
        "NI": "human",
        "AFTHRS": "human",
        "TIMEOT": "human",
        "PDROP": None,
        "PU": None,
        "DNCL": "cancelled",
        "NEW": None,
    },
    "genesys_cloud": {
        "ININ-OUTBOUND-BUSY": "busy",
        "ININ-OUTBOUND-MACHINE": "voicemail",
        "ININ-OUTBOUND-NO-ANSWER": "no_answer",
        "ININ-OUTBOUND-INVALID-PHONE-NUMBER": "invalid_number",
        "ININ-WRAP-UP-TIMEOUT": None,
        "disposition.classification.callable.person": "human",
        "disposition.classification.callable.machine": "voicemail",
        "disposition.classification.callable.noanswer": "no_answer",
        "peer": None,
    },
    "hubspot": {
        "f240bbac-87c9-4f6e-bf70-924b57d47db7": "human",
        "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
        "b2cf5968-551e-4856-9783-52b3da59a7d0": "voicemail",
        "73a0d17f-1163-4015-bdd5-ec830791da20": "no_answer",
        "COMPLETED": None,
        "CANCELED": "cancelled",
    },
}


@pytest.mark.parametrize(
    ("source", "word", "outcome"),
    [
        (source, word, outcome)
        for source, words in OUTCOMES.items()
        for word, outcome in words.items()
    ],
)
def test_what_a_word_of_a_system_means(source: str, word: str, outcome: str | None) -> None:
    words = shipped_sources()[source].dispositions
    assert word in words
    assert words[word] == outcome


# --- FreeSWITCH -------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_freeswitch_csv(landing: Landing) -> None:
    rows = [
        ("Lin", "1001", "013800138000", "default", "2026-11-18 09:00:00", "2026-11-18 09:00:09",
         "2026-11-18 09:01:09", "69", "60", "NORMAL_CLEARING", "u-1", "b-1", "", "PCMA", "PCMA"),
        ("Lin", "1001", "013800138001", "default", "2026-11-18 09:05:00", "",
         "2026-11-18 09:05:20", "20", "0", "USER_BUSY", "u-2", "", "", "PCMA", ""),
        ('Wang "Lao"', "02165529988", "1002", "public", "2026-11-18 23:59:50", "2026-11-19 00:00:01",
         "2026-11-19 00:02:00", "130", "119", "NORMAL_CLEARING", "u-3", "b-3", "acme", "PCMU", "PCMU"),
        ("", "anonymous", "1002", "public", "2026-11-18 09:10:00", "",
         "2026-11-18 09:10:07", "7", "0", "ORIGINATOR_CANCEL", "u-4", "", "", "", ""),
    ]  # fmt: skip
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    landing.put("freeswitch/cdr_csv/dt=2026-11-18/Master.csv", text.getvalue())
    landing.load()
    nothing_is_amiss(landing)
    assert landing.query(
        "select call_id, direction, from_number, to_number, agent_extension,"
        f" {clock('started_at')}, {clock('answered_at')}, {clock('agent_joined_at')},"
        f" {clock('ended_at')}, disposition, billable_seconds from raw.calls order by call_id"
    ) == [
        ("u-1", "outbound", None, "+8613800138000", "1001", "01:00:00", "01:00:09", "01:00:09",
         "01:01:09", "NORMAL_CLEARING", 60),
        ("u-2", "outbound", None, "+8613800138001", "1001", "01:05:00", None, None,
         "01:05:20", "USER_BUSY", 0),
        ("u-3", "inbound", "+862165529988", None, "1002", "15:59:50", "16:00:01", None,
         "16:02:00", "NORMAL_CLEARING", 119),
        ("u-4", "inbound", None, None, "1002", "01:10:00", None, None, "01:10:07",
         "ORIGINATOR_CANCEL", 0),
    ]  # fmt: skip


def document(
    uuid: str,
    context: str,
    caller: str,
    called: str,
    seconds: dict[str, float],
    encode: bool = False,
    **variables: str,
) -> str:
    """A document of mod_json_cdr; `seconds` after START, of what happened."""
    begin = START.timestamp()
    times = {
        name: str(int((begin + seconds[name]) * 1_000_000)) if name in seconds else "0"
        for name in ("start", "progress", "progress_media", "answer", "bridge", "end")
    }
    found = {
        "uuid": uuid,
        "direction": "inbound",
        **{f"{name}_uepoch": value for name, value in times.items()},
        **{f"{name}_epoch": str(int(value) // 1_000_000) for name, value in times.items()},
        "start_stamp": "2026-11-18 09:00:00",
        "billmsec": str(int((seconds["end"] - seconds.get("answer", seconds["end"])) * 1000)),
        "hold_accum_ms": "1500",
        **variables,
    }
    profile = {
        "username": caller,
        "caller_id_number": caller,
        "destination_number": called,
        "context": context,
        "uuid": uuid,
    }
    if encode:
        found = {name: quote(value, safe="") for name, value in found.items()}
        profile = {name: quote(value, safe="") for name, value in profile.items()}
    return json.dumps(
        {
            "core-uuid": "c-1",
            "switchname": "fs1",
            "channel_data": {"state": "CS_REPORTING", "direction": "inbound"},
            "variables": found,
            "app_log": {"applications": [{"app_name": "bridge", "app_data": "x"}]},
            "callflow": [
                {
                    "profile_index": "1",
                    "caller_profile": profile,
                    "times": {"created_time": times["start"], "answered_time": times["answer"]},
                }
            ],
        }
    )


@pytest.mark.postgres
def test_freeswitch_json(landing: Landing) -> None:
    epoch = int(START.timestamp())
    talked = document(
        "j-1", "default", "1001", "+8613800138000",
        {"start": 0.25, "progress": 2, "answer": 9.5, "bridge": 9.5, "end": 69.75}, encode=True,
        originate_disposition="SUCCESS", hangup_cause="NORMAL_CLEARING", hangup_cause_q850="16",
        sip_term_status="200", sip_hangup_disposition="recv_bye",
        effective_caller_id_number="+862155500001", record_filename="/var/rec/2026 11/j-1.wav",
    )  # fmt: skip
    busy = document(
        "j-2", "default", "1001", "013800138001", {"start": 300, "end": 312},
        originate_disposition="USER_BUSY", hangup_cause="NORMAL_CLEARING", hangup_cause_q850="16",
        last_bridge_proto_specific_hangup_cause="sip%3A486", sip_hangup_disposition="send_refuse",
    )  # fmt: skip
    b_leg = document(
        "j-2b", "default", "1001", "013800138001", {"start": 300, "end": 312},
        originating_leg_uuid="j-2", hangup_cause="USER_BUSY",
    )  # fmt: skip
    queued = document(
        "j-3", "public", "02165529988", "4000", {"start": 600, "answer": 600, "bridge": 618, "end": 700},
        cc_queue="vip@default", cc_agent="1002@default", cc_side="member",
        cc_queue_joined_epoch=str(epoch + 601), cc_queue_answered_epoch=str(epoch + 618),
        cc_queue_terminated_epoch=str(epoch + 700), cc_cause="answered",
        hangup_cause="NORMAL_CLEARING", hangup_cause_q850="16", sip_hangup_disposition="recv_bye",
    )  # fmt: skip
    lost = document(
        "j-4", "public", "0000000000", "4000", {"start": 800, "answer": 800, "end": 845},
        cc_queue="vip@default", cc_side="member", cc_queue_joined_epoch=str(epoch + 801),
        cc_queue_canceled_epoch=str(epoch + 845), cc_cause="cancel", cc_cancel_reason="BREAK_OUT",
        hangup_cause="ORIGINATOR_CANCEL", hangup_cause_q850="16", sip_hangup_disposition="recv_cancel",
    )  # fmt: skip
    agent_leg = document(
        "j-3b", "default", "x", "1002", {"start": 610, "end": 700}, cc_side="agent"
    )
    landing.put("freeswitch/json_cdr/dt=2026-11-18/j-1.cdr.json", talked)
    landing.put(
        "freeswitch/json_cdr/dt=2026-11-18/day.jsonl",
        "\n".join([busy, b_leg, queued, lost, agent_leg]) + "\n",
    )
    landing.load()
    nothing_is_amiss(landing, ("untaken_records", ""))
    assert landing.query("select detail from ops.notices") == [("2 records that no rule takes",)]
    assert landing.query(
        "select call_id, direction, from_number, to_number, agent_extension,"
        " extract(epoch from started_at)::numeric - %s, extract(epoch from ringing_at)::int - %s,"
        " extract(epoch from answered_at)::numeric - %s, extract(epoch from agent_joined_at)::numeric - %s,"
        " disposition, sip_code, q850_cause, hangup_by, hold_seconds, queue, recording_key"
        " from raw.calls order by call_id",
        epoch, epoch, epoch, epoch,
    ) == [
        ("j-1", "outbound", "+862155500001", "+8613800138000", "1001", 0.25, 2, 9.5, 9.5,
         "NORMAL_CLEARING", 200, 16, "agent", 1.5, None, "/var/rec/2026 11/j-1.wav"),
        ("j-2", "outbound", None, "+8613800138001", "1001", 300, None, None, None,
         "USER_BUSY", 486, None, None, 1.5, None, None),
        ("j-3", "inbound", "+862165529988", None, "1002", 600, None, 600, 618,
         "NORMAL_CLEARING", None, 16, "customer", 1.5, "vip", None),
        ("j-4", "inbound", None, None, "4000", 800, None, 800, None,
         "ORIGINATOR_CANCEL", None, 16, "customer", 1.5, "vip", None),
    ]  # fmt: skip
    assert landing.query(
        "select call_id, step_no, step_type, queue, extract(epoch from entered_at)::int - %s,"
        " extract(epoch from left_at)::int - %s, outcome from raw.call_routes order by 1, 2",
        epoch, epoch,
    ) == [
        ("j-3", 1, "queue", "vip", 601, 618, "to agent"),
        ("j-3", 2, "agent", "vip", 618, 700, "talked"),
        ("j-4", 1, "queue", "vip", 801, 845, "abandoned"),
        ("j-4", 2, "abandon", "vip", 845, 845, None),
    ]  # fmt: skip


# --- VICIdial ---------------------------------------------------------------------------------------------


def dump(columns: str, *rows: dict[str, Any], delimiter: str = ",") -> str:
    """A table as CSV; what a row does not say is NULL as MySQL writes it."""
    names = columns.split()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        assert set(row) <= set(names)
        writer.writerow([row.get(name, "\\N") for name in names])
    return text.getvalue()


LOG = (
    "uniqueid lead_id list_id campaign_id call_date start_epoch end_epoch length_in_sec status phone_code"
    " phone_number user comments processed user_group term_reason alt_dial called_count"
)
CLOSER = (
    "closecallid lead_id list_id campaign_id call_date start_epoch end_epoch length_in_sec status phone_code"
    " phone_number user comments processed queue_seconds user_group xfercallid term_reason uniqueid"
    " agent_only queue_position called_count"
)
AGENT = (
    "agent_log_id user server_ip event_time lead_id campaign_id pause_epoch pause_sec wait_epoch wait_sec"
    " talk_epoch talk_sec dispo_epoch dispo_sec status user_group comments sub_status dead_epoch dead_sec"
    " processed uniqueid pause_type"
)
LIST = (
    "lead_id entry_date modify_date status user vendor_lead_code source_id list_id gmt_offset_now"
    " phone_code phone_number title first_name last_name state province rank owner"
)


@pytest.mark.postgres
def test_vicidial_calls(landing: Landing) -> None:
    epoch = int(START.timestamp())
    common = {"list_id": 998, "campaign_id": "AUTUMN", "phone_code": "1", "start_epoch": epoch}
    landing.put(
        "vicidial/vicidial_log/dt=2026-11-18/vicidial_log.csv",
        dump(
            LOG,
            {**common, "uniqueid": "1795000000.1", "lead_id": 7, "status": "SALE", "user": "6666",
             "phone_number": "2125550123", "end_epoch": epoch + 95, "length_in_sec": 95,
             "term_reason": "AGENT"},
            {**common, "uniqueid": "1795000000.2", "lead_id": 8, "status": "AA", "user": "VDAD",
             "phone_number": "(212) 555-0124", "end_epoch": epoch + 20, "length_in_sec": 20,
             "term_reason": "NONE"},
            {**common, "uniqueid": "1795000000.3", "lead_id": 0, "status": "DROP", "user": "VDAD",
             "phone_number": "2125550125", "end_epoch": epoch + 9, "length_in_sec": 9,
             "term_reason": "ABANDON"},
            {**common, "uniqueid": "1795000000.4", "lead_id": 9, "status": "ZZTOP", "user": "VDAD",
             "phone_number": "2125550126", "end_epoch": epoch + 9, "length_in_sec": 9,
             "term_reason": "SOLAR"},
        ),
    )  # fmt: skip
    inbound = {
        "list_id": 999,
        "campaign_id": "SUPPORT",
        "phone_code": "1",
        "phone_number": "2125550123",
    }
    landing.put(
        "vicidial/vicidial_closer_log/dt=2026-11-18/dump.tsv",
        dump(
            CLOSER,
            {**inbound, "closecallid": 41, "lead_id": 7, "start_epoch": epoch + 100, "xfercallid": 0,
             "end_epoch": epoch + 200, "length_in_sec": 100, "status": "XFER", "user": "6666",
             "queue_seconds": "12.50", "term_reason": "AGENT", "uniqueid": "1795000100.1"},
            {**inbound, "closecallid": 42, "lead_id": 7, "start_epoch": epoch + 200, "xfercallid": 9,
             "end_epoch": epoch + 260, "length_in_sec": 60, "status": "SALE", "user": "7777",
             "queue_seconds": "3.00", "term_reason": "CALLER", "uniqueid": "1795000100.1"},
            {**inbound, "closecallid": 43, "lead_id": 0, "start_epoch": epoch + 300, "xfercallid": 0,
             "end_epoch": epoch + 342, "length_in_sec": 42, "status": "XDROP", "user": "VDCL",
             "queue_seconds": "42.00", "term_reason": "ABANDON", "uniqueid": "1795000300.1"},
            delimiter="\t",
        ),
    )  # fmt: skip
    landing.load()
    nothing_is_amiss(landing, ("unknown_word", "calls.hangup_by: SOLAR"))
    assert landing.query(
        "select call_id, direction, campaign_id, customer_id, agent_id, coalesce(to_number, from_number),"
        " extract(epoch from started_at)::int - %s, extract(epoch from agent_joined_at)::numeric - %s,"
        " extract(epoch from ended_at)::int - %s, disposition, hangup_by, queue, list_id"
        " from raw.calls order by call_id",
        epoch, epoch, epoch,
    ) == [
        ("1795000000.1", "outbound", "AUTUMN", "7", "6666", "+12125550123", 0, None, 95, "SALE",
         "agent", None, "998"),
        ("1795000000.2", "outbound", "AUTUMN", "8", None, "+12125550124", 0, None, 20, "AA",
         None, None, "998"),
        ("1795000000.3", "outbound", "AUTUMN", None, None, "+12125550125", 0, None, 9, "DROP",
         "customer", None, "998"),
        ("1795000000.4", "outbound", "AUTUMN", "9", None, "+12125550126", 0, None, 9, "ZZTOP",
         None, None, "998"),
        ("1795000100.1", "inbound", None, "7", "6666", "+12125550123", 100, 112.5, 200, "XFER",
         "agent", "SUPPORT", "999"),
        ("1795000300.1", "inbound", None, None, None, "+12125550123", 300, None, 342, "XDROP",
         "customer", "SUPPORT", "999"),
    ]  # fmt: skip
    assert landing.one("select _flags from raw.calls where call_id = '1795000000.4'") == {
        "hangup_by": "the mapping does not know the word SOLAR"
    }
    assert landing.query(
        "select call_id, step_no, step_type, extract(epoch from entered_at)::numeric - %s,"
        " extract(epoch from left_at)::numeric - %s, outcome from raw.call_routes order by 1, 2",
        epoch, epoch,
    ) == [
        ("1795000100.1", 410, "queue", 100, 112.5, "to agent"),
        ("1795000100.1", 411, "agent", 112.5, 200, "talked"),
        ("1795000100.1", 420, "queue", 200, 203, "to agent"),
        ("1795000100.1", 421, "agent", 203, 260, "talked"),
        ("1795000300.1", 430, "queue", 300, 342, "abandoned"),
        ("1795000300.1", 432, "abandon", 342, 342, None),
    ]  # fmt: skip


@pytest.mark.postgres
def test_vicidial_agents_leads_and_campaigns(landing: Landing) -> None:
    epoch = int(START.timestamp())
    turn = {
        "server_ip": "10.0.0.1",
        "user": "6666",
        "campaign_id": "AUTUMN",
        "uniqueid": "1795000000.1",
    }
    landing.put(
        "vicidial/vicidial_agent_log/dt=2026-11-18/a.csv",
        dump(
            AGENT,
            {**turn, "agent_log_id": 1, "pause_epoch": epoch, "pause_sec": 5, "wait_epoch": epoch + 5,
             "wait_sec": 15, "talk_epoch": epoch + 20, "talk_sec": 80, "dispo_epoch": epoch + 100,
             "dispo_sec": 10, "status": "SALE", "dead_epoch": epoch + 90, "dead_sec": 10},
            {**turn, "agent_log_id": 2, "pause_epoch": epoch + 110, "pause_sec": 600,
             "wait_epoch": epoch + 710, "wait_sec": 0, "sub_status": "LUNCH", "uniqueid": ""},
        ),
    )  # fmt: skip
    landing.put(
        "vicidial/vicidial_list/dt=2026-11-18/l.csv",
        dump(
            LIST,
            {"lead_id": 7, "entry_date": "2026-11-01 08:00:00", "modify_date": "2026-11-18 09:01:35",
             "status": "SALE", "list_id": 998, "phone_code": "1", "phone_number": "2125550123",
             "first_name": "Ann", "last_name": "Lee", "state": "NY", "rank": 5, "owner": "6666"},
            {"lead_id": 8, "entry_date": "0000-00-00 00:00:00", "modify_date": "2026-11-18 09:02:00",
             "status": "DNC", "list_id": 998, "phone_code": "1", "phone_number": "2125550124",
             "last_name": "Orr"},
        ),
    )  # fmt: skip
    landing.put(
        "vicidial/vicidial_campaigns/dt=2026-11-18/c.csv",
        dump(
            "campaign_id campaign_name active dial_method campaign_changedate",
            {"campaign_id": "AUTUMN", "campaign_name": "Autumn", "active": "Y",
             "dial_method": "ADAPT_TAPERED", "campaign_changedate": "2026-11-10 10:00:00"},
            {"campaign_id": "HAND", "campaign_name": "By hand", "active": "Y", "dial_method": "MANUAL"},
        ),
    )  # fmt: skip
    landing.put(
        "vicidial/vicidial_users/dt=2026-11-18/u.csv",
        dump(
            "user_id user pass full_name user_group phone_login phone_pass",
            {"user_id": 1, "user": "6666", "pass": "secret1", "full_name": "Ann", "user_group": "EAST",
             "phone_login": "cc100", "phone_pass": "secret2"},
        ),
    )  # fmt: skip
    landing.load()
    assert landing.query("select object_key, rule, reason from ops.quarantine") == []
    assert landing.query(
        "select state, extract(epoch from started_at)::int - %s, extract(epoch from ended_at)::int - %s,"
        " call_id, reason from raw.agent_states order by started_at, state",
        epoch, epoch,
    ) == [
        ("break", 0, 5, None, None),
        ("available", 5, 20, None, None),
        ("talking", 20, 90, "1795000000.1", None),
        ("wrap_up", 90, 110, "1795000000.1", None),
        ("meal", 110, 710, None, "LUNCH"),
    ]  # fmt: skip
    assert landing.query(
        "select customer_id, name, phone, region, owner_agent_id, do_not_call, created_at::date::text"
        " from raw.customers order by customer_id"
    ) == [
        ("7", "Ann Lee", "+12125550123", "NY", "6666", False, "2026-11-01"),
        ("8", "Orr", "+12125550124", None, None, True, None),
    ]  # fmt: skip
    assert landing.query("select campaign_id, dial_mode from raw.campaigns order by 1") == [
        ("AUTUMN", "predictive"),
        ("HAND", "manual"),
    ]
    assert landing.query("select agent_id, name, team, extension from raw.agents") == [
        ("6666", "Ann", "EAST", "cc100")
    ]
    assert "secret" not in str(landing.query("select * from raw.agents"))


# --- Genesys Cloud ----------------------------------------------------------------------------------------


def at(seconds: float) -> str:
    moment = START + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def segment(kind: str, begin: float, end: float, **more: Any) -> dict[str, Any]:
    return {"segmentType": kind, "segmentStart": at(begin), "segmentEnd": at(end),
            "conference": False, **more}  # fmt: skip


def participant(purpose: str, segments: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    session = {
        "mediaType": more.pop("media", "voice"),
        "direction": "inbound",
        "sessionId": "s",
        **{name: more.pop(name) for name in list(more) if name in SESSION_FIELDS},
        "segments": segments,
        "metrics": [{"name": "nConnected", "value": 1, "emitDate": at(0)}],
    }
    return {"participantId": "p", "purpose": purpose, "sessions": [session], **more}


SESSION_FIELDS = {
    "ani",
    "dnis",
    "flow",
    "outboundCampaignId",
    "outboundContactListId",
    "dispositionName",
}


def conversation(
    name: str, direction: str, begin: float, end: float, *parts: Any
) -> dict[str, Any]:
    return {
        "conversationId": name,
        "conversationStart": at(begin),
        "conversationEnd": at(end),
        "originatingDirection": direction,
        "divisionIds": ["d"],
        "participants": list(parts),
    }


@pytest.mark.postgres
def test_genesys_conversations(landing: Landing) -> None:
    numbers = {"ani": "tel:+5551999599880", "dnis": "tel:+559830208562"}
    served = conversation(
        "g-1", "inbound", 0, 110,
        participant("customer", [segment("system", 0, 0.25),
                                 segment("interact", 0.25, 100, disconnectType="endpoint",
                                         q850ResponseCodes=[16])],
                    externalContactId="crm-7", **numbers),
        participant("ivr", [segment("ivr", 0.25, 20, disconnectType="transfer")],
                    flow={"transferTargetName": "Sales", "exitReason": "TRANSFER"}, **numbers),
        participant("acd", [segment("delay", 20, 20.25), segment("interact", 20.25, 32, queueId="q-1",
                                                               disconnectType="transfer")], **numbers),
        # An agent who did not pick up: no talk.
        participant("agent", [segment("alert", 20.5, 27, queueId="q-1", disconnectType="client"),
                              segment("wrapup", 27, 28, wrapUpCode="w-0")], userId="u-1"),
        participant("agent", [segment("alert", 29, 32, queueId="q-1"),
                              segment("interact", 32, 60, queueId="q-1"),
                              segment("hold", 60, 65.5), segment("interact", 65.5, 90, queueId="q-1",
                                                                disconnectType="peer"),
                              segment("wrapup", 90, 100.5, wrapUpCode="ININ-WRAP-UP-TIMEOUT")],
                    userId="u-2"),
    )  # fmt: skip
    lost = conversation(
        "g-2", "inbound", 200, 245,
        participant("customer", [segment("interact", 200, 245, disconnectType="endpoint")], **numbers),
        participant("acd", [segment("interact", 201, 245, queueId="q-1", disconnectType="endpoint")]),
    )  # fmt: skip
    dialled = conversation(
        "g-3", "outbound", 300, 330,
        participant("customer", [segment("dialing", 300, 330, disconnectType="system",
                                         sipResponseCodes=[486])],
                    outboundCampaignId="c-1", outboundContactListId="l-1",
                    dispositionName="disposition.classification.callable.busy",
                    ani="tel:+559830208562", dnis="tel:+5551999599881"),
    )  # fmt: skip
    chat = conversation("g-4", "inbound", 400, 430, participant("customer", [], media="chat"))
    page = {"conversations": [served, lost], "totalHits": 4}
    landing.put("genesys_cloud/conversations/dt=2026-11-18/page-1.json", json.dumps(page, indent=1))
    landing.put(
        "genesys_cloud/conversations/dt=2026-11-18/job.jsonl",
        "\n".join(json.dumps(one) for one in (dialled, chat)),
    )
    landing.load()
    nothing_is_amiss(landing, ("untaken_records", ""))
    epoch = int(START.timestamp())
    assert landing.query(
        "select call_id, direction, customer_id, agent_id, from_number, to_number, campaign_id, list_id,"
        " extract(epoch from answered_at)::numeric - %s, extract(epoch from agent_joined_at)::int - %s,"
        " extract(epoch from ended_at)::int - %s, disposition, sip_code, q850_cause, hangup_by,"
        " hold_seconds, wrap_up_seconds, queue from raw.calls order by call_id",
        epoch, epoch, epoch,
    ) == [
        ("g-1", "inbound", "crm-7", "u-2", "+5551999599880", "+559830208562", None, None, 0.25, 32, 110,
         "ININ-WRAP-UP-TIMEOUT", None, 16, "customer", 5.5, 11.5, "q-1"),
        ("g-2", "inbound", None, None, "+5551999599880", "+559830208562", None, None, 200, None, 245,
         "endpoint", None, None, "customer", None, None, "q-1"),
        ("g-3", "outbound", None, None, "+559830208562", "+5551999599881", "c-1", "l-1", None, None, 330,
         "disposition.classification.callable.busy", 486, None, "dialler", None, None, None),
    ]  # fmt: skip
    assert landing.query(
        "select call_id, step_no, step_type, queue, choice, extract(epoch from entered_at)::numeric - %s,"
        " extract(epoch from left_at)::numeric - %s, outcome from raw.call_routes order by 1, 2",
        epoch, epoch,
    ) == [
        ("g-1", 20101, "ivr", None, "Sales", 0.25, 20, "transfer"),
        ("g-1", 30102, "queue", "q-1", None, 20.25, 32, "to agent"),
        ("g-1", 50102, "agent", "q-1", None, 32, 60, "talked"),
        ("g-1", 50104, "agent", "q-1", None, 65.5, 90, "talked"),
        ("g-2", 20101, "queue", "q-1", None, 201, 245, "abandoned"),
        ("g-2", 20102, "abandon", "q-1", None, 245, 245, None),
    ]  # fmt: skip
    assert landing.query(
        "select agent_id, state, extract(epoch from started_at)::int - %s, call_id"
        " from raw.agent_states order by 1",
        epoch,
    ) == [("u-1", "wrap_up", 27, "g-1"), ("u-2", "wrap_up", 90, "g-1")]


@pytest.mark.postgres
def test_genesys_agent_states(landing: Landing) -> None:
    details = {
        "userDetails": [
            {
                "userId": "u-2",
                "primaryPresence": [
                    {"startTime": at(0), "endTime": at(100), "systemPresence": "AVAILABLE"},
                    {"startTime": at(100), "endTime": at(900), "systemPresence": "ON_QUEUE"},
                    {"startTime": at(900), "systemPresence": "MEAL"},
                ],
                "routingStatus": [
                    {"startTime": at(0), "endTime": at(100), "routingStatus": "OFF_QUEUE"},
                    {"startTime": at(100), "endTime": at(500), "routingStatus": "IDLE"},
                    {"startTime": at(500), "endTime": at(900), "routingStatus": "INTERACTING"},
                ],
            }
        ]
    }
    landing.put("genesys_cloud/users/dt=2026-11-18/u.json", json.dumps(details))
    landing.load()
    nothing_is_amiss(landing)
    epoch = int(START.timestamp())
    assert landing.query(
        "select agent_id, state, extract(epoch from started_at)::int - %s,"
        " extract(epoch from ended_at)::int - %s, reason from raw.agent_states order by started_at",
        epoch, epoch,
    ) == [
        ("u-2", "available", 0, 100, "AVAILABLE"),
        ("u-2", "available", 100, 500, None),
        ("u-2", "talking", 500, 900, None),
        ("u-2", "meal", 900, None, "MEAL"),
    ]  # fmt: skip
