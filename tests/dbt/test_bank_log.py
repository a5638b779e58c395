"""33,000 lines of a bank's call log, through a mapping file alone, as far as the marts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from bank_log import BankLog, make_bank_log, mapping
from built_marts import Marts

from callmart.landing import discover, load_objects
from callmart.settings import Settings
from callmart.warehouse.dbt import build

pytestmark = pytest.mark.slow

LINES = 33_000


@pytest.fixture(scope="module")
def log() -> BankLog:
    return make_bank_log(LINES, date(1999, 1, 1), 31)


@pytest.fixture(scope="module")
def bank(
    log: BankLog,
    new_settings: Callable[[str], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Marts:
    import boto3

    own = tmp_path_factory.mktemp("bank-sources")
    (own / "bank.yaml").write_text(mapping(), encoding="utf-8")
    settings = replace(
        new_settings("bank"),
        sources_dir=own,
        business_time_zone="Asia/Jerusalem",
        default_country="IL",
    )
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    for name, text in log.files.items():
        client.put_object(Bucket=settings.bucket, Key=f"bank/{name}", Body=text.encode())
    for batch in discover(settings):
        summary = load_objects(settings, batch["object_ids"])
        assert summary.failed == 0, summary.messages
    selected = ["+calls", "+traffic"]
    return Marts(settings, {}, build(settings, select=selected, unit_tests=False, data_tests=False))


def test_every_line_is_a_call_or_quarantined_with_a_reason(log: BankLog, bank: Marts) -> None:
    assert len(log.calls) + log.broken == LINES
    assert bank.column("select sum(rows_read)::int from ops.objects") == [LINES]
    assert bank.column("select count(*)::int from raw.calls") == [len(log.calls)]
    assert bank.column("select count(*)::int from marts.calls") == [len(log.calls)]
    quarantined = bank.query(
        "select count(distinct row_number)::int, bool_and(reason <> '') from ops.quarantine"
    )
    assert quarantined == [(log.broken, True)]


def test_outcomes_reconcile_with_the_file(log: BankLog, bank: Marts) -> None:
    assert dict(bank.query("select disposition, count(*)::int from marts.calls group by 1")) == (
        Counter(call.outcome for call in log.calls)
    )
    people = sum(call.outcome != "PHANTOM" for call in log.calls)
    assert bank.column("select count(*)::int from marts.calls where is_connected") == [people]
    served = Counter(call.server for call in log.calls if call.outcome == "AGENT")
    assert (
        dict(
            bank.query(
                "select agent_id, count(*)::int from marts.calls where agent_id is not null group by 1"
            )
        )
        == served
    )
    by_day = Counter(call.start.date() for call in log.calls)
    assert dict(bank.query("select call_date, count(*)::int from marts.calls group by 1")) == by_day


def test_waits_service_level_and_abandonment_are_the_file_s(log: BankLog, bank: Marts) -> None:
    queued = [call for call in log.calls if call.is_queued]
    within = [call for call in queued if call.outcome == "AGENT" and call.wait_seconds <= 20]
    lost = [call for call in queued if call.outcome != "AGENT"]
    assert bank.query(
        "select count(*)::int, sum(queue_wait_seconds)::int, count(*) filter (where is_queue_answered)::int"
        " from marts.calls where is_queue_answered is not null"
    ) == [(len(queued), sum(call.wait_seconds for call in queued), len(queued) - len(lost))]
    assert bank.query(
        "select sum(queued)::int, sum(queued_within_20s)::int, sum(queue_abandoned)::int from marts.traffic"
    ) == [(len(queued), len(within), len(lost))]


def test_talk_goes_over_midnight(log: BankLog, bank: Marts) -> None:
    late = [
        call for call in log.calls if call.talk_seconds and call.end.date() != call.start.date()
    ]
    assert len(late) > 300
    assert bank.column(
        "select sum(extract(epoch from ended_at - agent_joined_at))::int from marts.calls"
        " where agent_joined_at is not null"
    ) == [sum(call.talk_seconds for call in log.calls)]
