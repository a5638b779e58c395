"""The shipped mappings of Salesforce and HubSpot, on files as these systems deliver them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from .conftest import Landing


def table(*rows: dict[str, Any]) -> str:
    """A Data Loader export: every value quoted, columns of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


CONTACT = {
    "Id": "003A000001",
    "IsDeleted": "false",
    "MasterRecordId": "",
    "AccountId": "001A000001",
    "LastName": "Li",
    "FirstName": "Ming",
    "Name": "Ming Li",
    "Phone": "(010) 6552 9988",
    "MobilePhone": "",
    "HomePhone": "",
    "OtherPhone": "",
    "MailingState": "Beijing",
    "LeadSource": "Web",
    "OwnerId": "005A000001",
    "DoNotCall": "false",
    "CreatedDate": "2026-10-01T02:00:00.000Z",
    "LastModifiedDate": "2026-11-18T01:00:00.000Z",
    "SystemModstamp": "2026-11-18T01:00:01.000Z",
}


@pytest.mark.postgres
def test_salesforce_people(landing: Landing) -> None:
    landing.put(
        "salesforce/Contact/dt=2026-11-18/extract.csv",
        table(
            CONTACT,
            {**CONTACT, "Id": "003A000002", "MobilePhone": "+8613800138000", "DoNotCall": "true"},
            # Merged into the first, and one thrown away.
            {**CONTACT, "Id": "003A000003", "IsDeleted": "true", "MasterRecordId": "003A000001"},
            {**CONTACT, "Id": "003A000004", "IsDeleted": "true"},
            {**CONTACT, "Id": "003A000005", "Phone": ""},
        ),
    )
    landing.put(
        "salesforce/Lead/dt=2026-11-18/leads.jsonl",
        lines(
            {
                "attributes": {"type": "Lead"},
                "Id": "00QA000001",
                "Name": "Wang Wu",
                "Phone": "13900139000",
                "State": "Shanghai",
                "Rating": "Hot",
                "IsConverted": True,
                "ConvertedContactId": "003A000001",
                "DoNotCall": False,
                "CreatedDate": "2026-09-01T02:00:00.000+0000",
                "SystemModstamp": "2026-11-18T03:00:00.000+0000",
            }
        ),
    )
    landing.put(
        "salesforce/Account/dt=2026-11-18/a.csv",
        table(
            {"Id": "001A000001", "Name": "Acme", "Phone": "021 6552 9988", "Industry": "Retail",
             "OwnerId": "005A000001", "SystemModstamp": "2026-11-18T01:00:01.000Z"},
        ),
    )  # fmt: skip
    landing.put(
        "salesforce/User/dt=2026-11-18/u.csv",
        table({"Id": "005A000001", "Name": "Agent One", "Department": "East", "Extension": "8001"}),
    )
    landing.load()
    assert landing.query("select object_key, rule, reason from ops.quarantine") == []
    assert landing.query(
        "select customer_id, name, phone, region, segment, owner_agent_id, do_not_call,"
        " merged_into_customer_id, deleted_at is not null, updated_at at time zone 'UTC'"
        " = '2026-11-18 01:00:01' from raw.customers order by customer_id"
    ) == [
        ("001A000001", "Acme", "+862165529988", None, "Retail", "005A000001", None, None, False, True),
        ("003A000001", "Ming Li", "+861065529988", "Beijing", None, "005A000001", False, None, False, True),
        ("003A000002", "Ming Li", "+8613800138000", "Beijing", None, "005A000001", True, None, False, True),
        ("003A000003", "Ming Li", "+861065529988", "Beijing", None, "005A000001", False, "003A000001",
         False, True),
        ("003A000004", "Ming Li", "+861065529988", "Beijing", None, "005A000001", False, None, True, True),
        ("00QA000001", "Wang Wu", "+8613900139000", "Shanghai", "Hot", None, False, "003A000001",
         False, False),
    ]  # fmt: skip
    # Who cannot be called is no customer of ours, and counted.
    assert landing.query("select detail from ops.notices where kind = 'untaken_records'") == [
        ("1 records that no rule takes",)
    ]
    assert landing.query("select agent_id, name, team, extension from raw.agents") == [
        ("005A000001", "Agent One", "East", "8001")
    ]


@pytest.mark.parametrize(
    ("stage", "ours"),
    [
        ("Prospecting", "new"),
        ("Qualification", "contacted"),
        ("Needs Analysis", "interested"),
        ("Proposal/Price Quote", "quoted"),
        ("Negotiation/Review", "negotiating"),
        ("Closed Won", "won"),
        ("Closed Lost", "lost"),
    ],
)
def test_salesforce_stages(stage: str, ours: str) -> None:
    import pandas as pd

    from callmart.landing.expressions import Evaluator
    from callmart.landing.mappings import shipped_sources

    rules = [
        rows
        for tables in shipped_sources()["salesforce"].tables
        for rows in tables.rows
        if rows.entity == "demands"
    ]
    frame = pd.DataFrame({"StageName": pd.Series([stage], dtype="str")})
    assert Evaluator(frame, "UTC").text(rules[0].fields["stage"]).tolist() == [ours]


@pytest.mark.postgres
def test_salesforce_opportunities_and_calls(landing: Landing) -> None:
    opportunity = {
        "Id": "006A000001",
        "IsDeleted": "false",
        "AccountId": "001A000001",
        "ContactId": "003A000001",
        "Name": "Savings plan",
        "StageName": "Proposal/Price Quote",
        "Amount": "12000.5",
        "CurrencyIsoCode": "CNY",
        "CloseDate": "2026-12-31",
        "Type": "New Business",
        "NextStep": "Send quote",
        "IsClosed": "false",
        "OwnerId": "005A000001",
        "CreatedDate": "2026-10-01T02:00:00.000Z",
        "SystemModstamp": "2026-11-18T01:00:01.000Z",
    }
    landing.put(
        "salesforce/Opportunity/dt=2026-11-18/o.csv",
        table(
            opportunity,
            {**opportunity, "Id": "006A000002", "StageName": "Closed Won", "IsClosed": "true",
             "CloseDate": "2026-11-17", "ContactId": ""},
            {**opportunity, "Id": "006A000003", "StageName": "Our own stage"},
        ),
    )  # fmt: skip
    task = {
        "Id": "00TA000001",
        "WhoId": "003A000001",
        "TaskSubtype": "Call",
        "CallType": "Outbound",
        "CallDurationInSeconds": "95",
        "CallDisposition": "Interested",
        "CallObject": "",
        "OwnerId": "005A000001",
        "CreatedDate": "2026-11-18T01:01:36.000Z",
        "CompletedDateTime": "2026-11-18T01:01:35.000Z",
    }
    landing.put(
        "salesforce/Task/dt=2026-11-18/t.csv",
        table(
            task,
            {**task, "Id": "00TA000002", "CallType": "Inbound", "CallObject": "cti-77",
             "CallDurationInSeconds": "", "CompletedDateTime": ""},
            {**task, "Id": "00TA000003", "TaskSubtype": "Email", "CallType": ""},
            {**task, "Id": "00TA000004", "CallType": "Internal"},
        ),
    )  # fmt: skip
    landing.load()
    assert landing.query("select record_key, rule, reason from ops.quarantine") == [
        (
            "006A000003",
            "not_in_list",
            "stage is none of new, contacted, interested, quoted, negotiating, won, lost, dormant,"
            " reopened: Our own stage",
        )
    ]
    assert landing.query(
        "select demand_id, customer_id, product, stage, expected_value::text, currency, need_by_date::text,"
        " closed_at::text, next_action from raw.demands order by 1"
    ) == [
        ("006A000001", "003A000001", "New Business", "quoted", "12000.5", "CNY", "2026-12-31", None,
         "Send quote"),
        ("006A000002", "001A000001", "New Business", "won", "12000.5", "CNY", None,
         landing.one("select ('2026-11-17'::timestamp at time zone 'Asia/Shanghai')::text"), "Send quote"),
    ]  # fmt: skip
    assert landing.query(
        "select call_id, direction, customer_id, agent_id,"
        " to_char(started_at at time zone 'UTC', 'HH24:MI:SS'),"
        " to_char(ended_at at time zone 'UTC', 'HH24:MI:SS'), disposition, billable_seconds"
        " from raw.calls order by 1"
    ) == [
        ("00TA000001", "outbound", "003A000001", "005A000001", "01:00:00", "01:01:35", "Interested", 95),
        ("cti-77", "inbound", "003A000001", "005A000001", "01:01:36", "01:01:36", "Interested", None),
    ]  # fmt: skip


@pytest.mark.postgres
def test_hubspot(landing: Landing) -> None:
    contacts = {
        "results": [
            {
                "id": "101",
                "properties": {
                    "firstname": "Ming",
                    "lastname": "Li",
                    "phone": "010 6552 9988",
                    "mobilephone": None,
                    "state": "Beijing",
                    "hs_timezone": "asia_slash_shanghai",
                    "lifecyclestage": "lead",
                    "hubspot_owner_id": "9",
                    "createdate": "2026-10-01T02:00:00.000Z",
                    "lastmodifieddate": "2026-11-18T01:00:00.000Z",
                    "hs_merged_object_ids": "88;89",
                    "hs_object_id": "101",
                },
                "createdAt": "2026-10-01T02:00:00.000Z",
                "updatedAt": "2026-11-18T01:00:00.000Z",
                "archived": False,
            },
            {
                "id": "102",
                "properties": {
                    "lastname": "Wu",
                    "mobilephone": "13800138000",
                    "createdate": "1795000000000",
                },
                "updatedAt": "2026-11-18T01:00:00.000Z",
                "archived": True,
                "archivedAt": "2026-11-18T04:00:00.000Z",
            },
        ],
        "paging": {"next": {"after": "102"}},
    }
    landing.put("hubspot/contacts/dt=2026-11-18/page.json", json.dumps(contacts))
    landing.put(
        "hubspot/deals/dt=2026-11-18/deals.jsonl",
        lines(
            {
                "id": "501",
                "properties": {
                    "dealname": "Plan",
                    "dealstage": "contractsent",
                    "amount": "1200.50",
                    "closedate": "2026-12-31T00:00:00Z",
                    "createdate": "2026-10-01T02:00:00.000Z",
                    "hs_is_closed": "false",
                    "hs_lastmodifieddate": "2026-11-18T01:00:00.000Z",
                },
                "associations": {
                    "contacts": {"results": [{"id": "101", "type": "deal_to_contact"}]}
                },
                "updatedAt": "2026-11-18T01:00:00.000Z",
            },
            {
                "id": "502",
                "properties": {
                    "dealstage": "closedlost",
                    "closedate": "1795000000000",
                    "closed_lost_reason": "price",
                    "hs_is_closed": "true",
                    "hs_primary_contact_id": "102",
                },
            },
        ),
    )
    call = {
        "hs_timestamp": "2026-11-18T01:00:00.000Z",
        "hs_call_direction": "OUTBOUND",
        "hs_call_disposition": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
        "hs_call_duration": "95500",
        "hs_call_from_number": "+862155500001",
        "hs_call_to_number": "+861065529988",
        "hs_call_status": "COMPLETED",
        "hubspot_owner_id": "9",
        "hs_lastmodifieddate": "2026-11-18T01:05:00.000Z",
    }
    missed = {
        **call,
        "hs_timestamp": "1795000000000",
        "hs_call_direction": "INBOUND",
        "hs_call_disposition": None,
        "hs_call_status": "NO_ANSWER",
        "hs_call_duration": None,
        "hs_call_external_id": "pbx-7",
    }
    landing.put(
        "hubspot/calls/dt=2026-11-18/calls.json",
        json.dumps(
            {
                "results": [
                    {"id": "701", "properties": call,
                     "associations": {"contacts": {"results": [{"id": "101"}]}}},
                    {"id": "702", "properties": missed},
                ]
            }
        ),
    )  # fmt: skip
    landing.load()
    assert landing.query("select object_key, rule, reason from ops.quarantine") == []
    assert landing.query(
        "select customer_id, name, phone, time_zone, merged_into_customer_id, deleted_at is not null,"
        " to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') from raw.customers order by 1"
    ) == [
        ("101", "Ming Li", "+861065529988", "asia/shanghai", None, False, "2026-10-01"),
        ("102", "Wu", "+8613800138000", None, None, True, "2026-11-18"),
        ("88", None, "+861065529988", None, "101", False, None),
        ("89", None, "+861065529988", None, "101", False, None),
    ]
    assert landing.query(
        "select demand_id, customer_id, stage, expected_value::text, need_by_date::text,"
        " to_char(closed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), close_reason"
        " from raw.demands order by 1"
    ) == [
        ("501", "101", "quoted", "1200.50", "2026-12-31", None, None),
        ("502", "102", "lost", None, None, "2026-11-18 11:06:40", "price"),
    ]
    assert landing.query(
        "select call_id, direction, customer_id, agent_id, from_number, to_number,"
        " to_char(ended_at at time zone 'UTC', 'HH24:MI:SS.MS'), disposition, billable_seconds"
        " from raw.calls order by 1"
    ) == [
        ("701", "outbound", "101", "9", "+862155500001", "+861065529988", "01:01:35.500",
         "f240bbac-87c9-4f6e-bf70-924b57d47db7", 95.5),
        ("pbx-7", "inbound", None, "9", "+862155500001", "+861065529988", None, "NO_ANSWER", None),
    ]  # fmt: skip
