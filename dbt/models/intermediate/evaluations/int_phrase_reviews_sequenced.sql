{{ config(
    materialized="incremental",
    unique_key=["hit_id", "verdict_number"],
    meta={"touched": "all", "touches": [touch_customers_of_hits()]}
) }}
-- One row a verdict on a phrase hit, of whichever inspector and version: it holds from when it was given until the
-- next one is. An inspector's own verdicts keep the order of versions, so a late correction never goes before
-- what it corrects.
with given as (
    select
        hit_id,
        reviewer,
        verdict,
        comment,
        selection,
        reviewed_at,
        updated_at,
        version_number,
        is_current as is_reviewers_last,
        _source,
        _delivered_on,
        _object_key,
        _row_number,
        _row_part,
        max(coalesce(updated_at, reviewed_at)) over (
            partition by hit_id, reviewer order by version_number
        ) as known_from
    from {{ ref("stg_callmart__phrase_reviews_versions") }}
),

sequenced as (
    select
        *,
        row_number() over verdicts as verdict_number,
        lead(known_from) over verdicts as known_until
    from given
    window verdicts as (
        partition by hit_id
        order by known_from, updated_at nulls first, _delivered_on, _object_key, _row_number, _row_part
    )
)

select
    hit_id,
    verdict_number::integer as verdict_number,
    reviewer,
    verdict,
    comment,
    selection,
    reviewed_at,
    is_reviewers_last,
    known_from,
    known_until,
    known_until is null as is_current,
    _source as source
from sequenced
