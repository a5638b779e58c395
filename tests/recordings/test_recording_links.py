"""Which audio belongs to which call, in whatever order it comes; how it is parcelled."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from small_sounds import sound

from callmart.recordings import plan_batches
from callmart.recordings.planning import batching, link_recordings
from callmart.warehouse import connect

pytestmark = pytest.mark.postgres

DAY = "recordings/dt=2026-11-18"
AGENT, CUSTOMER, NEWER_CUSTOMER = sound(0.5, 400), sound(0.5, 500), sound(0.5, 600)

LINKS = """
select links.call_id, links.content_hash, links.object_key, links.delivered_on::text,
    whole.object_key, agent.object_key, customer.object_key
from facts.call_recordings as links
left join raw.recordings as whole on links.object_id = whole.object_id
left join raw.recordings as agent on links.agent_object_id = agent.object_id
left join raw.recordings as customer on links.customer_object_id = customer.object_id
order by 1, 4, 3
"""


def link(deliveries: Any) -> list[tuple[Any, ...]]:
    with connect(deliveries.settings) as connection:
        link_recordings(connection)
    return list(deliveries.query(LINKS))


def test_a_file_is_linked_to_its_call_once(deliveries: Any) -> None:
    deliveries.deliver(f"{DAY}/c.1@pbx.wav", AGENT)
    first = link(deliveries)
    assert [row[0] for row in first] == ["c.1@pbx"]
    assert first[0][4] == f"{DAY}/c.1@pbx.wav"
    assert link(deliveries) == first


def test_two_sides_make_the_same_link_in_any_order_of_arrival(
    deliveries: Any, make_database: Any
) -> None:
    from dataclasses import replace

    parts = {
        f"{DAY}/c1.agent.wav": AGENT,
        f"{DAY}/c1.customer.wav": CUSTOMER,
        "recordings/dt=2026-11-19/c1.customer.wav": NEWER_CUSTOMER,
        "recordings/dt=2026-11-20/c1.agent.wav": AGENT,  # a repetition adds nothing
    }
    for key, body in parts.items():
        deliveries.put(key, body)
    found = []
    # Every part is first, last and in between in some of these six of the 24 orders.
    for order in list(itertools.permutations(parts))[::4]:
        other = replace(
            deliveries, settings=replace(deliveries.settings, warehouse_dsn=make_database())
        )
        # Each object is discovered alone, in this order, and linked at once.
        for size in range(1, len(order) + 1):
            _discover_only(other, order[:size], parts)
            rows = link(other)
        found.append(rows)
    assert all(rows == found[0] for rows in found), found
    assert [(row[5], row[6]) for row in found[0]] == [
        (f"{DAY}/c1.agent.wav", "recordings/dt=2026-11-19/c1.customer.wav")
    ]


def _discover_only(deliveries: Any, keys: tuple[str, ...], parts: dict[str, bytes]) -> None:
    """Load `keys` alone, as if nothing else lay in the bucket yet."""
    from callmart.landing import discover, load_objects

    for key in parts:
        if key not in keys:
            deliveries.client.delete_object(Bucket=deliveries.settings.bucket, Key=key)
    deliveries.put(keys[-1], parts[keys[-1]])
    for batch in discover(deliveries.settings):
        assert not load_objects(deliveries.settings, batch["object_ids"]).failed


def test_a_side_alone_is_linked_until_its_partner_comes(deliveries: Any) -> None:
    deliveries.deliver(f"{DAY}/c1.agent.wav", AGENT)
    [alone] = link(deliveries)
    assert (alone[5], alone[6]) == (f"{DAY}/c1.agent.wav", None)
    deliveries.deliver("recordings/dt=2026-11-19/c1.customer.wav", CUSTOMER)
    [both] = link(deliveries)
    assert both[1] != alone[1]
    assert both[2:4] == ("recordings/dt=2026-11-19/c1.customer.wav", "2026-11-19")


def test_the_newer_delivery_is_the_calls_recording_and_the_older_stays(deliveries: Any) -> None:
    deliveries.deliver("recordings/dt=2026-11-19/c1.wav", NEWER_CUSTOMER)
    deliveries.deliver(f"{DAY}/c1.wav", AGENT)
    rows = link(deliveries)
    assert [row[2] for row in rows] == [f"{DAY}/c1.wav", "recordings/dt=2026-11-19/c1.wav"]


def test_a_key_written_again_counts_with_its_newest_content_only(deliveries: Any) -> None:
    deliveries.deliver(f"{DAY}/c1.wav", AGENT)
    [before] = link(deliveries)
    deliveries.deliver(f"{DAY}/c1.wav", CUSTOMER)
    with connect(deliveries.settings) as connection:
        # Bucket times have whole seconds; the two writes of this test lie within one.
        connection.execute(
            "update ops.objects set modified_at = modified_at - interval '1 minute'"
            " where object_id = (select min(object_id) from ops.objects)"
        )
    [after] = link(deliveries)
    assert after[1] != before[1]


def test_one_recording_of_two_calls_is_heard_once(deliveries: Any) -> None:
    deliveries.deliver(f"{DAY}/c1.wav", AGENT)
    deliveries.deliver(f"{DAY}/c2.wav", AGENT)
    [batch] = plan_batches(deliveries.settings)
    assert len(batch["content_hashes"]) == 1
    assert [row[0] for row in deliveries.query(LINKS)] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ({"recordings_per_batch": 2}, [2, 2, 1]),
        ({"seconds_per_batch": 1.9}, [4, 1]),  # half a second of mono counts as a quarter of stereo
        ({"seconds_per_batch": 0.01}, [1, 1, 1, 1, 1]),
        ({}, [5]),
    ],
)
def test_batches_end_at_their_limits(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], sizes: list[int]
) -> None:
    for number in range(5):
        deliveries.put(f"{DAY}/c{number}.wav", sound(1.0, 400 + number))
    deliveries.deliver(f"{DAY}/c0.wav", sound(1.0, 400))
    for name, value in limits.items():
        monkeypatch.setitem(batching(), name, value)
    batches = plan_batches(deliveries.settings)
    assert [len(batch["content_hashes"]) for batch in batches] == sizes
    hashes = [each for batch in batches for each in batch["content_hashes"]]
    assert len(set(hashes)) == 5
    assert all(
        f"{size} recordings" in batch["label"] for size, batch in zip(sizes, batches, strict=True)
    )
