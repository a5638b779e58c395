{{ config(
    indexes=[{"columns": ["call_id"]}, {"columns": ["started_at"]}],
    meta={"rows_by": "management"}
) }}
select
    md5(concat_ws('|', call_id, side)) as unmatched_call_id,
    call_id,
    side,
    case
        when match_method = 'ambiguous' then 'ambiguous'
        when sought is not null then 'no_match'
        when sought_delivered is not null then 'not_a_number'
        else 'not_delivered'
    end as reason,
    case
        when side = 'agent' then sought_delivered
        else coalesce({{ masked_phone("sought") }}, {{ masked_text("sought_delivered") }})
    end as sought,
    (count(candidate_id) filter (where is_held_at_start))::integer as candidate_count,
    string_agg(candidate_id, ', ' order by candidate_id) filter (where is_held_at_start) as candidates,
    string_agg(candidate_id, ', ' order by candidate_id) filter (where not is_held_at_start)
        as candidates_at_other_times,
    direction,
    source,
    started_at,
    call_date
from {{ ref("int_call_parties_sought") }}
group by call_id, side, match_method, sought, sought_delivered, direction, source, started_at, call_date
order by started_at, call_id, side
