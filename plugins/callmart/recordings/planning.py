"""Which recording belongs to which call, and which of them this analyser has not heard yet."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from psycopg import Connection

# The links of the calls that got a new file are made anew from all files of the call, so that the
# order of delivery leaves no trace: one link a whole file, one link for the newest two sides. A side
# without its partner is heard alone until the partner comes. A key that was written again counts with
# its newest content only. `loaded_at`: landing may put an earlier delivery in the place of a twin.
LINK_SQL = """
with touched as (
    select distinct recordings.call_id
    from raw.recordings
    where not exists (
        select from facts.call_recordings as links
        where links.call_id = recordings.call_id
            and links.linked_at >= recordings.loaded_at
            and recordings.object_id in (
                links.object_id, links.agent_object_id, links.customer_object_id
            )
    )
),
deliveries as (
    select distinct on (recordings.call_id, recordings.side, recordings.object_key) recordings.*
    from raw.recordings
    inner join touched using (call_id)
    inner join ops.objects on recordings.object_id = objects.object_id
    order by
        recordings.call_id, recordings.side, recordings.object_key,
        objects.modified_at desc, objects.object_id desc
),
sides as (
    select distinct on (call_id, side) * from deliveries
    where side <> 'both'
    order by call_id, side, delivered_on desc, object_key desc
),
wanted as (
    select
        call_id, content_sha256 as content_hash, object_key, delivered_on,
        null::bigint as agent_object_id, null::bigint as customer_object_id, object_id
    from deliveries
    where side = 'both'
    union all
    select
        call_id,
        coalesce(
            encode(sha256(convert_to(agent.content_sha256 || customer.content_sha256, 'UTF8')), 'hex'),
            agent.content_sha256,
            customer.content_sha256
        ),
        greatest(agent.object_key, customer.object_key),
        greatest(agent.delivered_on, customer.delivered_on),
        agent.object_id,
        customer.object_id,
        null::bigint
    from (select * from sides where side = 'agent') as agent
    full join (select * from sides where side = 'customer') as customer using (call_id)
),
dropped as (
    delete from facts.call_recordings as links
    using touched
    where links.call_id = touched.call_id
        and not exists (
            select from wanted
            where wanted.call_id = links.call_id and wanted.content_hash = links.content_hash
        )
)
insert into facts.call_recordings
    (call_id, content_hash, object_key, delivered_on,
     agent_object_id, customer_object_id, object_id)
select distinct on (call_id, content_hash)
    call_id, content_hash, object_key, delivered_on,
    agent_object_id, customer_object_id, object_id
from wanted
order by call_id, content_hash, delivered_on desc, object_key desc
on conflict (call_id, content_hash) do update set
    object_key = excluded.object_key,
    delivered_on = excluded.delivered_on,
    agent_object_id = excluded.agent_object_id,
    customer_object_id = excluded.customer_object_id,
    object_id = excluded.object_id,
    linked_at = now()
"""

# What is gone from the bucket waits in quarantine until it is requeued, not for every round anew.
UNHEARD_SQL = """
select
    links.content_hash,
    min(recordings.extension) as extension,
    max(recordings.size_bytes) as size_bytes
from facts.call_recordings as links
inner join raw.recordings
    on recordings.object_id in (links.object_id, links.agent_object_id, links.customer_object_id)
where not exists (
    select from facts.recordings as heard
    where heard.content_hash = links.content_hash and heard.analyser_version = %s
)
and not exists (
    select from ops.quarantine
    where quarantine.object_id in (links.object_id, links.agent_object_id, links.customer_object_id)
        and quarantine.rule in ('overwritten', 'vanished') and quarantine.status = 'open'
)
group by links.content_hash
-- What nobody has heard yet does not wait behind what a new version hears again.
order by
    exists (select from facts.recordings as heard where heard.content_hash = links.content_hash),
    min(links.delivered_on),
    links.content_hash
"""


UNJUDGED_SQL = """
select
    links.content_hash,
    min(recordings.extension) as extension,
    max(recordings.size_bytes) as size_bytes
from facts.call_recordings as links
inner join raw.recordings
    on recordings.object_id in (links.object_id, links.agent_object_id, links.customer_object_id)
where exists (
    select from raw.calls
    where calls.call_id = links.call_id
        and (calls.started_at at time zone %(zone)s)::date between %(first)s and %(last)s
)
and exists (select from facts.emotions where emotions.content_hash = links.content_hash)
and not exists (
    select from facts.emotions
    where emotions.content_hash = links.content_hash and emotions.model_version = %(model)s
)
and not exists (
    select from ops.quarantine
    where quarantine.object_id in (links.object_id, links.agent_object_id, links.customer_object_id)
        and quarantine.rule in ('overwritten', 'vanished') and quarantine.status = 'open'
)
group by links.content_hash
order by min(links.delivered_on), links.content_hash
"""


@cache
def batching() -> dict[str, Any]:
    """The numbers of batching.yaml."""
    path = Path(__file__).with_name("batching.yaml")
    numbers: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return numbers


def link_recordings(connection: Connection[Any]) -> int:
    """Bring facts.call_recordings up to date with raw.recordings; rows written."""
    return connection.execute(LINK_SQL).rowcount


def unheard_batches(connection: Connection[Any], analyser_version: str) -> list[dict[str, Any]]:
    """Parcels of content hashes without facts of this version: `label`, `content_hashes`."""
    return _parcels(connection.execute(UNHEARD_SQL, (analyser_version,)).fetchall())


def unjudged_batches(
    connection: Connection[Any], model_version: str, first_day: date, last_day: date, zone: str
) -> list[dict[str, Any]]:
    """Parcels of recordings of these business days in which this emotion model judged no voice.

    Only such in which the latest analysis found voices to judge, and calls that are known.
    """
    return _parcels(
        connection.execute(
            UNJUDGED_SQL,
            {"model": model_version, "first": first_day, "last": last_day, "zone": zone},
        ).fetchall()
    )


def _parcels(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """rows: content hash, extension, size in bytes."""
    numbers = batching()
    batches: list[dict[str, Any]] = []
    parcel: list[str] = []
    seconds = 0.0
    for content_hash, extension, size_bytes in rows:
        rate = numbers["bytes_per_second"].get(extension, numbers["bytes_per_second"]["wav"])
        parcel.append(content_hash)
        seconds += size_bytes / rate
        if (
            seconds >= numbers["seconds_per_batch"]
            or len(parcel) >= numbers["recordings_per_batch"]
        ):
            batches.append(_batch(parcel, seconds, len(batches)))
            parcel, seconds = [], 0.0
    if parcel:
        batches.append(_batch(parcel, seconds, len(batches)))
    return batches


def _batch(parcel: list[str], seconds: float, number: int) -> dict[str, Any]:
    label = f"{number + 1}: {len(parcel)} recordings, about {round(seconds / 60)} min"
    return {"label": label, "content_hashes": parcel}
