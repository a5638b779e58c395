"""Quarantine: what breaks the contract, why, and how it comes back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callmart.cli import main
from callmart.landing import RequeueSelector, quarantine_file, requeue
from callmart.warehouse import connect

from .conftest import Landing

pytestmark = pytest.mark.postgres

DAY = "crm/customers/dt=2026-11-18"
GOOD = "customer_id,phone\nC-1,+8610000000001\n"


@pytest.mark.parametrize(
    ("key", "body", "rule", "reason"),
    [
        ("crm/clients/dt=2026-11-18/a.csv", GOOD, "unknown_entity", "no entity clients"),
        ("crm/customers/dt=2026-11-31/a.csv", GOOD, "bad_date", "dt=2026-11-31 is not a date"),
        (f"{DAY}/a.xlsx", GOOD, "unknown_extension", "a.xlsx ends in none of"),
        ("elsewhere/a.csv", GOOD, "unknown_key", "no source mapping covers the key"),
        (f"{DAY}/a.csv", "", "empty_file", "the file is empty"),
        (f"{DAY}/a.csv", "customer_id,phone,PHONE\n", "duplicate_header", "names PHONE twice"),
        (f"{DAY}/a.csv", "customer_id\nC-1\n", "missing_column", "column phone is missing"),
        (f"{DAY}/a.csv", "customer_id\n", "missing_column", "column phone is missing"),
        (f"{DAY}/a.jsonl", '{"customer_id": "C-1"}\n', "missing_column", "column phone is missing"),
        (f"{DAY}/a.jsonl", "no json\nat all\n", "unreadable", "no line of the file"),
        (f"{DAY}/a.parquet", GOOD, "unreadable", "not Parquet"),
        (f"{DAY}/a.parquet", "PAR1 and no more", "unreadable", "unreadable Parquet"),
        (f"{DAY}/a.csv.gz", gzip.compress(GOOD.encode())[:-9], "unreadable", "ends too early"),
        (f"{DAY}/a.csv", b"customer_id,phone,name\nC-1,1,\xff\xff\n", "encoding", "neither UTF-8"),
        ("recordings/dt=2026-11-18/a.txt", "x", "unknown_extension", "a.txt ends in none of"),
        ("recordings/dt=2026-11-18/.wav", "x", "no_call_id", "no call id"),
        ("recordings/dt=2026-11-18/c.wav", "", "empty_file", "the file is empty"),
        ("transcripts/dt=2026-11-18/c.json", "{", "broken_transcript", "broken transcript"),
    ],
)
def test_a_file_that_breaks_the_contract(
    landing: Landing, key: str, body: str | bytes, rule: str, reason: str
) -> None:
    landing.put(key, body)
    landing.put(f"{DAY}/good.csv", GOOD)
    summary = landing.load()
    assert (summary.quarantined, summary.loaded, summary.failed) == (1, 1, 0)
    assert landing.status(key) == "quarantined"
    found = landing.one("select scope, rule, reason, status from ops.quarantine")
    assert found[:2] == ("file", rule)
    assert reason in found[2]
    assert found[3] == "open"
    assert landing.one("select count(*) from raw.customers") == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("really.gz.csv", gzip.compress(GOOD.encode())),
        ("not.csv.gz", GOOD),
        ("UPPER.CSV", GOOD.replace("customer_id", "Customer_ID ")),
    ],
)
def test_names_may_lie_about_compression(landing: Landing, name: str, body: str | bytes) -> None:
    landing.put(f"{DAY}/{name}", body)
    landing.load()
    assert landing.one("select customer_id from raw.customers") == "C-1"


def test_numbers_are_read_in_the_country_and_failures_reported(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", "customer_id,phone\nC-1,13800138000\nC-2,nobody\n")
    landing.load()
    assert landing.query("select phone, phone_delivered, _flags from raw.customers order by 2") == [
        ("+8613800138000", "13800138000", {}),
        (None, "nobody", {"phone": "not a phone number in CN"}),
    ]
    assert landing.query("select kind, subject, detail from ops.notices") == [
        ("phone_not_normalised", "phone", "1 rows")
    ]


def test_own_fields_are_kept_and_not_reported(landing: Landing) -> None:
    row = {"demand_id": "D", "customer_id": "C", "stage": "new", "custom_size": 1.5, "odd": [1]}
    landing.put("crm/demands/dt=2026-11-18/a.jsonl", json.dumps(row))
    landing.load()
    assert landing.one("select _extra from raw.demands") == {"custom_size": 1.5, "odd": [1]}
    assert landing.query("select subject from ops.notices") == [("odd",)]


def open_items(landing: Landing) -> list[tuple[str, str]]:
    return [
        (rule, key)
        for rule, key in landing.query(
            "select rule, object_key from ops.quarantine where status <> 'resolved' order by 2, 1"
        )
    ]


def test_after_a_fix_of_the_mapping_the_file_goes_in_once(landing: Landing, tmp_path: Path) -> None:
    landing.put("branch/2026/11/18/kunden.csv", "cust_no;tel\n31;010 6552 9988\n32;138 0013 8000\n")
    landing.load()
    assert open_items(landing) == [("unknown_key", "branch/2026/11/18/kunden.csv")]

    sources = landing.settings.home / "sources"
    sources.mkdir(parents=True)
    (sources / "branch.yaml").write_text(
        "source: branch\ncountry: CN\ntables:\n  - keys: ['branch/**']\n    rows:\n"
        "      - entity: customers\n        fields: {customer_id: cust_no, phone: tel}\n"
    )
    summary = requeue(landing.settings, RequeueSelector(key="branch/**"))

    assert (summary.items, summary.resolved, summary.still_open) == (1, 1, 0)
    assert landing.query(
        "select customer_id, phone, _source, _delivered_on::text from raw.customers"
    ) == [
        ("31", "+861065529988", "branch", "2026-11-18"),
        ("32", "+8613800138000", "branch", "2026-11-18"),
    ]
    again = requeue(landing.settings, RequeueSelector(everything=True))
    assert (again.items, landing.one("select count(*) from raw.customers")) == (0, 2)


def test_rows_driven_again_are_not_doubled_and_stay_open_while_bad(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", "customer_id,phone\nC-1,1\n,2\nC-3,3\n")
    landing.load()
    first = landing.one("select _loaded_at from raw.customers where customer_id = 'C-1'")
    for _ in range(2):
        summary = requeue(landing.settings, RequeueSelector(everything=True))
        assert (summary.items, summary.resolved, summary.still_open) == (1, 0, 1)
    assert landing.one("select count(*) from raw.customers") == 2
    assert landing.one("select count(*) from ops.quarantine") == 1
    assert landing.one("select _loaded_at from raw.customers where customer_id = 'C-1'") > first


def test_a_later_good_delivery_of_the_key_closes_the_older_one_s_items(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", "customer_id\nC-1\n")
    landing.put(f"{DAY}/b.csv", "customer_id,phone\n,1\nC-2,+8610000000002\n")
    landing.load()
    assert len(open_items(landing)) == 2
    with connect(landing.settings) as conn:  # S3 keeps whole seconds only
        conn.execute("update ops.objects set modified_at = modified_at - interval '1 minute'")

    landing.put(f"{DAY}/a.csv", GOOD)
    landing.put(f"{DAY}/b.csv", "customer_id,phone\nC-9,+8610000000009\n")
    landing.load()

    assert open_items(landing) == []
    assert landing.one("select count(*) from ops.quarantine where closed_at is not null") == 2


def test_the_same_bad_content_under_another_key_is_one_item(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", "customer_id\nC-1\n")
    landing.load()
    landing.put(f"{DAY}/b.csv", "customer_id\nC-1\n")
    landing.load()
    assert open_items(landing) == [("missing_column", f"{DAY}/a.csv")]
    assert landing.status(f"{DAY}/b.csv") == "duplicate"


def test_audio_that_a_later_step_refuses_is_quarantined_and_heard_again(landing: Landing) -> None:
    landing.put("recordings/dt=2026-11-18/c.wav", b"no audio")
    landing.load()
    object_id, content = landing.one("select object_id, content_sha256 from raw.recordings")

    def refuse() -> None:
        with connect(landing.settings) as conn:
            conn.execute(
                "insert into facts.call_recordings"
                " (call_id, content_hash, object_key, delivered_on, object_id)"
                " values ('c', %s, 'k', '2026-11-18', %s) on conflict do nothing",
                (content, object_id),
            )
            conn.execute(
                "insert into facts.recordings (content_hash, analyser_version, outcome)"
                " values (%s, '1', 'unreadable')",
                (content,),
            )
            quarantine_file(conn, object_id, "unreadable", "not audio: a text body")

    refuse()
    assert landing.status("recordings/dt=2026-11-18/c.wav") == "quarantined"

    summary = requeue(landing.settings, RequeueSelector(key="recordings/**"))
    assert (summary.items, summary.resolved) == (1, 1)
    assert landing.one("select count(*) from facts.recordings") == 0
    assert landing.one("select count(*) from raw.recordings") == 1

    refuse()
    assert landing.query("select rule, reason, status from ops.quarantine") == [
        ("unreadable", "not audio: a text body", "open")
    ]


def test_the_command(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", "customer_id\nC-1\n")
    landing.load()
    item = str(landing.one("select quarantine_id from ops.quarantine"))
    runner = CliRunner()

    done = runner.invoke(main, ["requeue", "--id", item, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["items"], document["still_open"]) == (1, 1)
    assert "column phone is missing" in document["load"]["messages"][0]

    assert runner.invoke(main, ["requeue", "--id", "99999"]).exit_code == 1
    assert runner.invoke(main, ["requeue"]).exit_code == 2
    assert runner.invoke(main, ["requeue", "--all", "--id", item]).exit_code == 2
