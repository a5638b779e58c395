"""The ledger: every object once, by key and content, whatever happens around it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from callmart.landing import ObjectStore, discover, load, load_objects, quarantine_file
from callmart.warehouse import connect

from .conftest import Landing

pytestmark = pytest.mark.postgres

HEADER = "campaign_id,name,updated_at\n"
OLD = HEADER + "A,old,2026-11-18T00:00:00Z\n"
NEW = HEADER + "A,new,2026-11-19T00:00:00Z\n"
DAY = "crm/campaigns/dt=2026-11-18"


def names(landing: Landing) -> list[Any]:
    return [row[0] for row in landing.query("select name from raw.campaigns order by 1")]


def current_name(landing: Landing) -> Any:
    return landing.current(["campaigns"])["campaigns"][0][1]


def test_the_same_key_with_new_content_is_a_later_version(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", OLD)
    landing.load()
    landing.put(f"{DAY}/a.csv", NEW)
    landing.load()
    assert names(landing) == ["new", "old"]
    assert current_name(landing) == "new"
    assert landing.one("select count(*) from ops.objects where status = 'loaded'") == 2


def test_the_same_key_with_the_same_content_is_taken_once(landing: Landing) -> None:
    for _ in range(3):
        landing.put(f"{DAY}/a.csv", OLD)
        landing.load()
    assert names(landing) == ["old"]
    assert landing.one("select count(*) from ops.objects") == 1


@pytest.mark.parametrize("order", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_of_two_keys_with_one_content_the_greater_keeps_the_rows(
    landing: Landing, order: tuple[str, str]
) -> None:
    for name in order:
        landing.put(f"{DAY}/{name}", OLD)
        landing.load()
    assert landing.query("select object_key, status from ops.objects order by 1") == [
        (f"{DAY}/a.csv", "duplicate"),
        (f"{DAY}/b.csv", "loaded"),
    ]
    assert landing.query("select name, _object_key from raw.campaigns") == [("old", f"{DAY}/b.csv")]
    assert (
        landing.one(
            "select d.object_key from ops.objects o join ops.objects d on d.object_id = o.duplicate_of"
        )
        == f"{DAY}/b.csv"
    )


def test_the_same_content_on_another_day_or_of_another_entity_is_no_repetition(
    landing: Landing,
) -> None:
    rows = "agent_id,state,started_at,activity,starts_at\nA,work,2026-11-18,work,2026-11-18\n"
    landing.put("crm/agent_states/dt=2026-11-18/x.csv", rows)
    landing.put("crm/agent_schedules/dt=2026-11-18/x.csv", rows)
    landing.put("crm/agent_states/dt=2026-11-19/x.csv", rows)
    assert landing.load().loaded == 3


@pytest.mark.parametrize("days", [(18, 19), (19, 18)])
def test_a_recording_under_two_days_is_one_recording(
    landing: Landing, days: tuple[int, int]
) -> None:
    for day in days:
        landing.put(f"recordings/dt=2026-11-{day}/c.1@x.wav", b"RIFF....")
        landing.load()
        with connect(landing.settings) as conn:
            conn.execute(
                "insert into facts.call_recordings"
                " (call_id, content_hash, object_key, delivered_on, object_id)"
                " select call_id, content_sha256, object_key, delivered_on, object_id"
                " from raw.recordings on conflict do nothing"
            )
    key = "recordings/dt=2026-11-18/c.1@x.wav"
    assert landing.query("select call_id, object_key from raw.recordings") == [("c.1@x", key)]
    assert landing.query("select object_key, delivered_on::text from facts.call_recordings") == [
        (key, "2026-11-18")
    ]
    assert landing.status("recordings/dt=2026-11-19/c.1@x.wav") == "duplicate"


def test_the_same_sound_of_another_call_or_side_is_a_recording_of_its_own(
    landing: Landing,
) -> None:
    for name in ("c1.wav", "c2.wav", "c3.agent.wav", "c3.customer.wav"):
        landing.put(f"recordings/dt=2026-11-18/{name}", b"RIFF....")
    landing.load()
    assert landing.query("select call_id, side from raw.recordings order by 1, 2") == [
        ("c1", "both"),
        ("c2", "both"),
        ("c3", "agent"),
        ("c3", "customer"),
    ]


def test_several_runs_at_once_share_the_work(landing: Landing) -> None:
    for number in range(12):
        # Pairs of one content: runs that meet must not load both.
        body = HEADER + f"A{number // 2},n,2026-11-18T00:00:00Z\n"
        landing.put(f"{DAY}/{number:02}.csv", body)
    ids = [i for batch in discover(landing.settings) for i in batch["object_ids"]]
    problems: list[BaseException] = []

    def run(order: list[int]) -> None:
        try:
            load_objects(landing.settings, order)
        except BaseException as error:
            problems.append(error)
            raise

    threads = [threading.Thread(target=run, args=(ids[k:] + ids[:k],)) for k in (0, 1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    landing.load()  # what two runs held at the same moment was skipped by both

    assert problems == []
    assert landing.one("select count(*) from raw.campaigns") == 6
    assert landing.query("select status, count(*) from ops.objects group by 1 order by 1") == [
        ("duplicate", 6),
        ("loaded", 6),
    ]


def test_what_fails_for_another_reason_is_tried_again(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put(f"{DAY}/a.csv", OLD)
    landing.put(f"{DAY}/b.csv", NEW)
    stream = ObjectStore.stream

    def unreachable(self: ObjectStore, key: str, *rest: Any) -> Any:
        if key.endswith("a.csv"):
            raise EndpointConnectionError(endpoint_url="http://nowhere")
        return stream(self, key, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "stream", unreachable)
        summary = landing.load()
    assert (summary.loaded, summary.failed) == (1, 1)
    assert "nowhere" in landing.one("select message from ops.objects where status = 'failed'")
    assert names(landing) == ["new"]

    assert landing.load().loaded == 1
    assert names(landing) == ["new", "old"]


def test_an_object_that_was_overwritten_before_it_was_read_is_not_read_as_the_other(
    landing: Landing,
) -> None:
    landing.put(f"{DAY}/a.csv", OLD)
    ids = discover(landing.settings)[0]["object_ids"]
    landing.put(f"{DAY}/a.csv", NEW)
    assert load_objects(landing.settings, ids).skipped == 1
    assert landing.one("select status from ops.objects") == "skipped"
    assert names(landing) == []
    summary = landing.load()
    assert (summary.loaded, summary.failed) == (1, 0)
    assert names(landing) == ["new"]
    assert discover(landing.settings) == []

    # The earlier content comes back under the key: it is read after all.
    landing.put(f"{DAY}/a.csv", OLD)
    assert landing.load().loaded == 1
    assert discover(landing.settings) == []


def test_a_stream_that_breaks_off_goes_on_where_it_broke(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(range(256)) * 10_000
    landing.put("recordings/dt=2026-11-18/c.wav", body)
    store = ObjectStore(landing.settings)
    asked: list[str | None] = []
    get_object = store._client.get_object

    class Broken:
        def __init__(self, whole: Any) -> None:
            self._whole = whole

        def iter_chunks(self, size: int) -> Any:
            from botocore.exceptions import ReadTimeoutError

            yield self._whole.read(1000)
            raise ReadTimeoutError(endpoint_url="http://x")

    def breaking(**arguments: Any) -> Any:
        asked.append(arguments.get("Range"))
        response = get_object(**arguments)
        if len(asked) <= 2:
            response["Body"] = Broken(response["Body"])
        return response

    monkeypatch.setattr(store._client, "get_object", breaking)
    assert b"".join(store.stream("recordings/dt=2026-11-18/c.wav")) == body
    assert asked == [None, "bytes=1000-", "bytes=2000-"]


def test_nothing_new_writes_nothing_and_own_output_is_ignored(landing: Landing) -> None:
    landing.put(f"{DAY}/a.csv", OLD)
    landing.put("reports/daily/dt=2026-11-18/zh.html", "<html>")
    landing.put(f"{DAY}/", "")
    landing.put(f"{DAY}/_SUCCESS", "")
    landing.load()
    assert landing.query("select object_key from ops.objects") == [(f"{DAY}/a.csv",)]
    assert discover(landing.settings) == []


def test_more_than_a_page_of_objects_in_batches(landing: Landing) -> None:
    for number in range(1005):
        landing.put(f"recordings/dt=2026-11-18/c{number}.wav", b"x")
    batches = discover(landing.settings, 400)
    assert [len(batch["object_ids"]) for batch in batches] == [400, 400, 205]
    assert len({i for batch in batches for i in batch["object_ids"]}) == 1005


def test_a_large_file_goes_in_by_chunks_and_all_or_nothing(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmart.landing import tables

    monkeypatch.setattr(tables, "CHUNK_BYTES", 4096)
    lines = [f'A{n},"name, ""{n}""\nsecond line",2026-11-18T00:00:00Z' for n in range(3000)]
    lines[1500] = ",no key,"
    landing.put(f"{DAY}/big.csv", (HEADER + "\r\n".join(lines)).encode("utf-16"))
    copies: list[int] = []
    copy_table = load.copy_table
    monkeypatch.setattr(
        load, "copy_table", lambda c, t, r: copies.append(r.num_rows) or copy_table(c, t, r)
    )
    landing.load()
    assert len(copies) > 10
    assert landing.one("select count(*) from raw.campaigns") == 2999
    assert landing.one("select name from raw.campaigns where campaign_id = 'A7'") == (
        'name, "7"\nsecond line'
    )
    assert landing.one("select row_number from ops.quarantine") == 1501
    assert landing.one("select encoding from ops.objects") == "utf-16"


def test_an_unknown_object_cannot_be_quarantined(landing: Landing) -> None:
    with connect(landing.settings) as conn, pytest.raises(LookupError, match="no object 7"):
        quarantine_file(conn, 7, "unreadable", "no audio")
