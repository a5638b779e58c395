{#-
The figures of docs/metrics.md, over calls (int_calls_reconciled joined with the queue columns): numerators,
denominators and ratios, for any grouping, so that a half hour and a day cannot disagree. A call counts as an
attempt when it is outbound; connected is null where nobody knows, and then it is not connected.
-#}
{% macro traffic_figures() -%}
count(*) filter (where direction = 'outbound')::integer as attempts,
    count(*) filter (where direction = 'outbound' and is_answered)::integer as answered,
    count(*) filter (where direction = 'outbound' and is_connected)::integer as connected,
    count(*) filter (where direction = 'outbound' and is_connected is null)::integer as connection_unknown,
    count(*) filter (where direction = 'outbound' and is_disputed)::integer as disputed,
    {{ ratio(
        "count(*) filter (where direction = 'outbound' and is_answered)", "count(*) filter (where direction = 'outbound')"
    ) }} as answer_seizure_ratio,
    count(*) filter (
        where direction = 'outbound' and (is_answered or outcome in ('busy', 'no_answer', 'rejected'))
    )::integer as network_effective,
    {{ ratio(
        "count(*) filter (
            where direction = 'outbound' and (is_answered or outcome in ('busy', 'no_answer', 'rejected'))
        )",
        "count(*) filter (where direction = 'outbound')"
    ) }} as network_effectiveness_ratio,
    {{ ratio(
        "count(*) filter (where direction = 'outbound' and is_connected)",
        "count(*) filter (where direction = 'outbound')"
    ) }} as connection_ratio,
    count(*) filter (where direction = 'outbound' and not is_answered and outcome = 'busy')::integer as user_busy,
    count(*) filter (where direction = 'outbound' and not is_answered and outcome = 'no_answer')::integer
        as rang_without_answer,
    count(*) filter (where direction = 'outbound' and not is_answered and outcome = 'rejected')::integer as rejected,
    count(*) filter (where direction = 'outbound' and outcome = 'cancelled')::integer as cancelled,
    coalesce({{ exact_sum("answered_seconds", "direction = 'outbound' and is_answered") }}, 0) as answered_seconds,
    count(answered_seconds) filter (where direction = 'outbound' and is_answered)::integer as answered_with_seconds,
    {{ ratio(
        exact_sum("answered_seconds", "direction = 'outbound' and is_answered"),
        "count(answered_seconds) filter (where direction = 'outbound' and is_answered)"
    ) }} as average_call_duration_seconds,
    coalesce({{ exact_sum("talk_seconds", "is_handled") }}, 0) as talk_seconds,
    count(talk_seconds) filter (where is_handled)::integer as talked_calls,
    {{ ratio(
        exact_sum("talk_seconds", "is_handled"), "count(talk_seconds) filter (where is_handled)"
    ) }} as average_talk_seconds,
    count(*) filter (where is_handled)::integer as handled,
    coalesce(
        {{ exact_sum(
            "coalesce(talk_seconds, 0) + coalesce(hold_seconds, 0) + coalesce(wrap_up_seconds, 0)", "is_handled"
        ) }},
        0
    ) as handle_seconds,
    {{ ratio(
        exact_sum(
            "coalesce(talk_seconds, 0) + coalesce(hold_seconds, 0) + coalesce(wrap_up_seconds, 0)", "is_handled"
        ),
        "count(*) filter (where is_handled)"
    ) }} as average_handle_time_seconds,
    percentile_cont(0.5) within group (order by post_dial_delay_seconds)
    filter (where direction = 'outbound') as post_dial_delay_seconds_median,
    percentile_cont(0.95) within group (order by post_dial_delay_seconds)
    filter (where direction = 'outbound') as post_dial_delay_seconds_p95,
    count(post_dial_delay_seconds) filter (where direction = 'outbound')::integer as post_dial_delay_calls,
    coalesce({{ exact_sum("ring_seconds", "direction = 'outbound'") }}, 0) as ring_seconds,
    count(ring_seconds) filter (where direction = 'outbound')::integer as rung_calls,
    count(*) filter (where direction = 'outbound' and is_abandoned)::integer as abandoned,
    {{ ratio(
        "count(*) filter (where direction = 'outbound' and is_abandoned)",
        "count(*) filter (where direction = 'outbound' and is_connected)"
    ) }} as abandonment_ratio,
    {{ ratio(
        "count(*) filter (where direction = 'outbound' and is_abandoned)",
        "count(*) filter (where direction = 'outbound' and is_answered)"
    ) }} as abandonment_of_answered_ratio,
    count(*) filter (where direction = 'inbound')::integer as inbound_calls,
    count(*) filter (where is_queued)::integer as queued,
    count(*) filter (where is_within_service_level)::integer as queued_within_20s,
    {{ ratio("count(*) filter (where is_within_service_level)", "count(*) filter (where is_queued)") }}
        as service_level_20s,
    count(*) filter (where is_queued and not is_short_abandon)::integer as queued_without_short_abandons,
    {{ ratio(
        "count(*) filter (where is_within_service_level)",
        "count(*) filter (where is_queued and not is_short_abandon)"
    ) }} as service_level_20s_without_short_abandons,
    count(*) filter (where is_queued and not is_queue_answered)::integer as queue_abandoned
{%- endmacro %}
