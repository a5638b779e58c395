"""The CRM's feed: what changed and nothing else, each number once, whatever is killed on the way."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mart_rows import insert

from callmart import writeback
from callmart.health import load_checks, update_alerts
from callmart.landing import ObjectStore
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.writeback import FeedSummary, TargetError, WebhookError, write_feeds
from callmart.writeback.targets import load_target

sys.path.append(str(Path(__file__).parents[1] / "robots"))
from robot_sinks import sink

if TYPE_CHECKING:
    from conftest import Bucket

pytestmark = pytest.mark.postgres

MARTS = (
    "customer_quality",
    "customer_demands",
    "customer_demand_history",
    "next_actions",
    "next_best_actions",
    "do_not_call_requests",
)


class Centre:
    """A centre's marts, changed by hand, and its bucket."""

    def __init__(self, settings: Settings, bucket: Bucket) -> None:
        self.settings = settings
        self.bucket = bucket

    def run(self, statement: str, *arguments: Any) -> None:
        with connect(self.settings) as connection:
            connection.execute(statement.encode(), arguments)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with connect(self.settings) as connection:
            return connection.execute(statement.encode()).fetchall()

    def customer(self, customer_id: str, **values: Any) -> None:
        row = {"tier": "B", "total_score": 60, "is_current": "true", "reason_1_zh": "=1+1"} | values
        with connect(self.settings) as connection:
            connection.execute(
                "delete from marts.customer_quality where customer_id = %s", (customer_id,)
            )
            insert(connection, "marts.customer_quality", customer_id=customer_id, **row)

    def demand(self, demand_id: str, call_at: str | None, as_of: str, **values: Any) -> None:
        with connect(self.settings) as connection:
            for mart in ("customer_demands", "next_best_actions"):
                connection.execute(
                    f"delete from marts.{mart} where demand_id = %s".encode(), (demand_id,)
                )
            insert(
                connection, "marts.customer_demands", demand_id=demand_id, customer_id="C1",
                stage="contacted", **values,
            )  # fmt: skip
            insert(
                connection, "marts.next_best_actions", subject_id=demand_id, demand_id=demand_id,
                customer_id="C1", action_code="call", suggested_call_at=call_at, as_of_at=as_of,
            )  # fmt: skip

    def objects(self, prefix: str = "") -> list[str]:
        listed = self.bucket.client.list_objects_v2(Bucket=self.bucket.name, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.bucket.client.get_object(Bucket=self.bucket.name, Key=key)["Body"].read()

    def feed(self, sequence: int, target: str = "generic") -> dict[str, list[dict[str, Any]]]:
        """The rows of each file of a feed, held against its manifest."""
        prefix = f"feeds/{target}/seq={sequence:09d}/"
        manifest = json.loads(self.read(f"{prefix}manifest.json"))
        assert (manifest["sequence"], manifest["target"]) == (sequence, target)
        names = {f"{prefix}{file['name']}" for file in manifest["files"]}
        assert set(self.objects(prefix)) == names | {f"{prefix}manifest.json", f"{prefix}_SUCCESS"}
        rows = {}
        for file in manifest["files"]:
            body = self.read(f"{prefix}{file['name']}")
            assert hashlib.sha256(body).hexdigest() == file["sha256"]
            assert len(body) == file["bytes"]
            if file["name"].endswith(".jsonl"):
                rows[file["name"]] = [json.loads(line) for line in body.decode().splitlines()]
            else:
                rows[file["name"]] = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
            assert len(rows[file["name"]]) == file["rows"]
        return rows


@pytest.fixture
def centre(empty_marts: str, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", empty_marts)
    centre = Centre(Settings.from_environment(), s3)
    yield centre
    centre.run(f"truncate {', '.join(f'marts.{mart}' for mart in MARTS)}")
    centre.run("truncate ops.crm_feeds, ops.crm_rejections, ops.alerts cascade")


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["record_id"] for row in rows]


def test_a_feed_holds_what_changed_and_nothing_else(centre: Centre) -> None:
    assert write_feeds(centre.settings) == [FeedSummary("generic", None, 0, 0)]
    for number in range(3):
        centre.customer(f"C{number}")
    assert write_feeds(centre.settings) == [FeedSummary("generic", 1, 3, 0)]
    assert ids(centre.feed(1)["customers.jsonl"]) == ["C0", "C1", "C2"]
    assert write_feeds(centre.settings) == [FeedSummary("generic", None, 0, 0)]

    centre.customer("C1", tier="A", total_score=71)
    centre.customer("C3")
    assert write_feeds(centre.settings) == [FeedSummary("generic", 2, 2, 0)]
    feed = centre.feed(2)
    assert ids(feed["customers.jsonl"]) == ["C1", "C3"]
    assert feed["demands.jsonl"] == []
    changed = feed["customers.jsonl"][0]
    assert (changed["tier"], changed["score"], changed["callmart_sequence"]) == ("A", 71, 2)

    # Back to what it was is a change as well.
    centre.customer("C1")
    assert write_feeds(centre.settings) == [FeedSummary("generic", 3, 1, 0)]


def test_feeds_applied_twice_leave_what_the_marts_hold(centre: Centre) -> None:
    for step in range(3):
        for number in range(step, step + 3):
            centre.customer(f"C{number}", total_score=50 + step)
        write_feeds(centre.settings)
    state: dict[str, Any] = {}
    for sequence in (1, 1, 2, 3, 3):
        for row in centre.feed(sequence)["customers.jsonl"]:
            if row["callmart_sequence"] >= state.get(row["record_id"], (0, 0))[0]:
                state[row["record_id"]] = (row["callmart_sequence"], row["score"])
    held = centre.query("select customer_id, total_score from marts.customer_quality")
    assert {key: score for key, (_, score) in state.items()} == dict(held)


def test_what_is_told_is_not_taken_for_a_delivery(centre: Centre) -> None:
    from callmart.landing import discover

    centre.customer("C1")
    write_feeds(centre.settings)
    assert centre.objects()
    assert discover(centre.settings) == []


class KilledError(BaseException):
    """Not an Exception: nothing may catch it and go on."""


@pytest.mark.parametrize("survives", range(5))
def test_killed_anywhere_the_same_feed_is_written_again(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    centre.customer("C1")
    centre.customer("C2")
    put = ObjectStore.put
    calls = iter(range(100))

    def dying(self: ObjectStore, key: str, body: Any, content_type: str | None = None) -> None:
        if next(calls) == survives:
            raise KilledError
        put(self, key, body, content_type)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put", dying)
        with pytest.raises(KilledError):
            write_feeds(centre.settings)
    assert "feeds/generic/seq=000000001/_SUCCESS" not in centre.objects()
    # What changes meanwhile waits for the next number.
    centre.customer("C2", tier="A")
    assert write_feeds(centre.settings) == [FeedSummary("generic", 1, 2, 0)]
    assert [row["tier"] for row in centre.feed(1)["customers.jsonl"]] == ["B", "B"]
    assert write_feeds(centre.settings) == [FeedSummary("generic", 2, 1, 0)]
    assert ids(centre.feed(2)["customers.jsonl"]) == ["C2"]


def test_the_time_to_call_is_told_anew_only_when_it_has_passed(centre: Centre) -> None:
    centre.demand("D1", "2026-11-19T02:00:00Z", as_of="2026-11-18T16:00:00Z")
    assert write_feeds(centre.settings)[0].sequence == 1
    centre.demand("D1", "2026-11-20T02:00:00Z", as_of="2026-11-18T17:00:00Z")
    assert write_feeds(centre.settings)[0].sequence is None, "the first is still to come"
    centre.demand("D1", "2026-11-20T02:00:00Z", as_of="2026-11-19T16:00:00Z")
    assert write_feeds(centre.settings)[0].sequence == 2
    centre.demand("D1", None, as_of="2026-11-21T16:00:00Z", is_contradicted="true")
    assert write_feeds(centre.settings)[0].sequence == 3


def test_requests_of_customers_go_out_once(centre: Centre) -> None:
    with connect(centre.settings) as connection:
        for call_id, customer in (("c1", "C1"), ("c2", None)):
            insert(connection, "marts.do_not_call_requests", call_id=call_id, customer_id=customer,
                   quote="别再打了", start_ms=900, status="open",
                   requested_at="2026-11-18T10:00:00Z")  # fmt: skip
        insert(connection, "marts.next_actions", subject_id="C9", customer_id="C9",
               action_code="check_number", reason_en="vacant", call_id="c3")  # fmt: skip
    target = replace(centre.settings, crm_targets=("salesforce",))
    assert write_feeds(target) == [FeedSummary("salesforce", 1, 2, 0)]
    feed = centre.feed(1, "salesforce")
    assert feed["Contact_DoNotCall.csv"] == [
        {
            "Id": "C1",
            "DoNotCall": "true",
            "Callmart_Do_Not_Call_Quote__c": "别再打了",
            "Callmart_Do_Not_Call_At__c": "2026-11-18T10:00:00.000Z",
            "callmart_sequence": "1",
        }
    ]
    [task] = feed["Task_WrongNumber.csv"]
    assert (task["WhoId"], task["Subject"], task["Description"]) == (
        "C9",
        "Check the number",
        "vacant",
    )
    assert write_feeds(target)[0].sequence is None


def test_a_crm_gets_its_own_names_and_words(centre: Centre) -> None:
    centre.customer("C1", reason_1_en="@SUM(A1)", change_reason_en=None)
    centre.demand("D1", "2026-11-19T02:00:00Z", as_of="2026-11-18T16:00:00Z")
    with connect(centre.settings) as connection:
        insert(connection, "marts.customer_demand_history", demand_id="D1", source="call",
               stage="quoted", is_current="true", quote='他说"可以"\n行')  # fmt: skip
    both = replace(centre.settings, crm_targets=("salesforce", "hubspot"))
    assert [summary.sequence for summary in write_feeds(both)] == [1, 1]
    feed = centre.feed(1, "salesforce")
    [contact] = feed["Contact.csv"]
    assert contact["Callmart_Reasons__c"] == "'@SUM(A1)", "no formula in a spreadsheet"
    assert contact["Callmart_Change__c"] == "#N/A"
    [opportunity] = feed["Opportunity.csv"]
    assert opportunity["Callmart_Proposed_Stage__c"] == "Proposal/Price Quote"
    assert opportunity["Callmart_Quote__c"] == '他说"可以"\n行'
    assert opportunity["Callmart_Call_At__c"] == "2026-11-19T02:00:00.000Z"
    feed = centre.feed(1, "hubspot")
    [deal] = feed["deals.jsonl"]
    assert deal["id"] == "D1"
    assert deal["properties"]["callmart_proposed_stage"] == "presentationscheduled"
    assert deal["properties"]["callmart_call_at"] == 1_795_053_600_000
    assert deal["properties"]["callmart_contradiction"] == ""
    [contact] = feed["contacts.jsonl"]
    assert contact["properties"]["callmart_reasons"] == "@SUM(A1)", "JSON needs no apostrophe"


def test_what_the_crm_drops_back_is_kept_and_shown(centre: Centre) -> None:
    folder = "feeds/generic/rejected/"
    files = {
        "a.csv": "Sequence,record_type,Record_ID,reason\n1,customers,C7,no such contact\n",
        "b.jsonl": '{"sequence": 1, "record_type": "demands", "id": "D1", "error": "locked"}\n',
        "c.jsonl": "{broken\n",
    }
    for name, text in files.items():
        centre.bucket.client.put_object(
            Bucket=centre.bucket.name, Key=folder + name, Body=text.encode()
        )
    assert write_feeds(centre.settings) == [FeedSummary("generic", None, 0, 3)]
    assert write_feeds(centre.settings) == [FeedSummary("generic", None, 0, 0)]
    rows = centre.query(
        "select sequence, record_type, record_id, reason from ops.crm_rejections order by object_key"
    )
    assert rows[:2] == [(1, "customers", "C7", "no such contact"), (1, "demands", "D1", "locked")]
    assert rows[2][3].startswith("the file cannot be read: ")
    update_alerts(centre.settings)
    told = dict(
        centre.query(
            "select subject, message from ops.alerts where check_name = 'crm_refused_rows'"
        )
    )
    assert told["generic customers"] == "1 rows: no such contact"
    assert set(told) == {"generic customers", "generic demands", "generic unknown rows"}


def test_a_webhook_is_told_in_order_until_it_is_given_up(centre: Centre, tmp_path: Path) -> None:
    described = load_target("generic").model_dump(mode="json", exclude_none=True)
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(described | {"name": "own", "webhook": "robot:crm"}))
    with sink("webhook") as hook:
        settings = replace(centre.settings, crm_targets=(str(path),), robots={"crm": hook.variable})
        hook.down = True
        centre.customer("C1")
        with pytest.raises(WebhookError, match=r"own 1: crm \(webhook\) refused: HTTP 503"):
            write_feeds(settings)
        centre.customer("C2")
        with pytest.raises(WebhookError, match="own 1:"):
            write_feeds(settings)
        assert centre.objects("feeds/own/seq=000000002/_SUCCESS"), "the feed does not wait"
        hook.down = False
        write_feeds(settings)
        assert [taken["key"] for taken in hook.taken] == ["feeds/own/1", "feeds/own/2"]

        hook.down = True
        centre.customer("C3")
        for _ in range(writeback.WEBHOOK_ATTEMPTS - 1):
            with pytest.raises(WebhookError):
                write_feeds(settings)
        write_feeds(settings)
    assert centre.query(
        "select sequence, status, attempts from ops.crm_webhook_deliveries order by sequence"
    ) == [(1, "sent", 3), (2, "sent", 1), (3, "dead", writeback.WEBHOOK_ATTEMPTS)]
    update_alerts(centre.settings)
    assert centre.query("select subject from ops.alerts where check_name = 'crm_not_told'") == [
        ("own",)
    ]
    assert {"crm_not_told", "crm_refused_rows"} <= set(load_checks())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: x", "files"),
        ("- a", "valid dictionary"),
        ("name: [", "while parsing"),
        ("name: X Y\nschema_version: 1\nfiles: []", "name"),
        (
            "name: x\nschema_version: 1\nfiles: [{record_type: calls, name: a.csv, format: csv}]",
            "record_type",
        ),
        (
            "name: x\nschema_version: 1\nfiles: [{record_type: demands, name: ../a.csv, format: csv}]",
            "files.0.name",
        ),
        (
            "name: x\nschema_version: 1\nfiles: [{record_type: demands, name: a.csv, format: csv}]",
            "needs fields",
        ),
        (
            "name: x\nschema_version: 1\nfiles:\n"
            "- {record_type: demands, name: a.jsonl, format: jsonl}\n"
            "- {record_type: demands, name: a.jsonl, format: jsonl}",
            "one name",
        ),
    ],
)
def test_a_target_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(TargetError, match=fault) as refused:
        load_target(str(path))
    assert str(path) in str(refused.value)


def test_shipped_targets_name_columns_that_are_there(centre: Centre) -> None:
    centre.customer("C1")
    centre.demand("D1", None, as_of="2026-11-18T16:00:00Z")
    shipped = tuple(
        sorted(path.stem for path in Path(writeback.__file__).parent.glob("targets/*.yaml"))
    )
    assert len(shipped) == 3
    written = write_feeds(replace(centre.settings, crm_targets=shipped))
    assert [summary.sequence for summary in written] == [1, 1, 1]
    with pytest.raises(TargetError, match="shipped are generic, hubspot, salesforce"):
        load_target("siebel")
