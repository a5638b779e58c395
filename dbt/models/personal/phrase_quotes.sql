select distinct on (hits.hit_id)
    hits.hit_id,
    hits.call_id,
    hits.agent_id,
    hits.clear_text as quoted_text,
    hits.clear_context as context,
    reviews.reviewer,
    reviews.comment as review_comment
from {{ ref("int_phrase_hits_judged") }} as hits
left join {{ ref("int_phrase_reviews_sequenced") }} as reviews on hits.hit_id = reviews.hit_id and reviews.is_current
order by hits.hit_id, hits.rule_hash
