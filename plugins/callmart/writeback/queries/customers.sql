-- What the CRM is told of each customer: quality with reasons.
select
    quality.customer_id as record_id,
    quality.customer_id,
    quality.tier,
    quality.tier_en,
    quality.tier_zh,
    quality.total_score as score,
    quality.fit_score,
    quality.engagement_score,
    quality.conversation_score,
    quality.inspection_score,
    quality.rules_and_lines_score,
    quality.confidence,
    quality.valid_from as rated_on,
    quality.previous_tier,
    quality.change_reason_en,
    quality.change_reason_zh,
    concat_ws('; ', quality.reason_1_en, quality.reason_2_en, quality.reason_3_en) as reasons_en,
    concat_ws('；', quality.reason_1_zh, quality.reason_2_zh, quality.reason_3_zh) as reasons_zh,
    quality.quality_version
from marts.customer_quality as quality
where quality.is_current
