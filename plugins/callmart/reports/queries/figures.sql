-- Every figure of a period, in one row: also run for the periods that it is compared with.
with traffic as (
    select
        count(*) as calls,
        count(*) filter (where direction = 'outbound') as attempts,
        count(*) filter (where direction = 'outbound' and is_answered) as answered,
        count(*) filter (where direction = 'outbound' and is_connected) as connected,
        sum(talk_seconds) filter (where is_connected and agent_joined_at is not null) as talk_seconds,
        count(*) filter (where is_connected and agent_joined_at is not null) as talked,
        count(distinct customer_id) filter (where is_connected) as customers_reached,
        count(*) filter (where is_abandoned and direction = 'outbound') as abandoned,
        count(*) filter (where has_transcript) as transcribed,
        count(*) filter (where direction = 'inbound') as inbound_calls
    from marts.calls
    where call_date between %(start)s and %(end)s and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
),

said as (
    select
        count(*) as phrase_violations,
        count(*) filter (where severity = 'critical') as critical_phrase_violations,
        count(*) filter (where review_verdict is null or review_verdict = 'appealed') as hits_to_review
    from marts.phrase_violations
    where call_date between %(start)s and %(end)s and review_verdict is distinct from 'rejected' and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
),

broken as (
    select
        count(*) as rule_violations,
        count(*) filter (where severity = 'critical') as critical_rule_violations,
        count(*) filter (where rule_type = 'calling_hours') as calling_hour_breaches
    from marts.rule_violations
    where violation_date between %(start)s and %(end)s and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
),

work as (
    select
        count(distinct agent_id) filter (where staffed_seconds > 0 or attempts + inbound_calls > 0) as agents,
        sum(adherent_seconds)::numeric / nullif(sum(scheduled_seconds), 0) as adherence,
        round(sum(scheduled_seconds) / 3600.0) as scheduled_hours,
        sum(occupied_seconds)::numeric / nullif(sum(occupied_seconds + available_seconds), 0) as occupancy,
        round(sum(occupied_seconds + available_seconds) / 3600.0) as available_hours,
        sum(handle_seconds)::numeric / nullif(sum(handled), 0) as average_handle_time_seconds,
        sum(handled) as handled
    from marts.agent_scorecard as scorecard
    where scorecard.work_date between %(start)s and %(end)s and (%(team)s::text is null or scorecard.team = %(team)s)
),

standing as (
    select count(*) as customers_judged, count(*) filter (where tier = 'A') as customers_in_tier_a
    from marts.customer_quality
    where valid_from <= %(end)s and (valid_to is null or valid_to > %(end)s)
),

stages as (
    select
        count(*) filter (where stage = 'won') as demands_won,
        count(*) filter (where stage = 'lost') as demands_lost,
        count(*) filter (where stage in ('won', 'lost')) as demands_closed
    from marts.customer_demand_history
    where source = 'crm' and (entered_at at time zone %(zone)s)::date between %(start)s and %(end)s
),

lines as (
    select
        count(distinct line_id) as lines,
        count(distinct line_id) filter (where is_suspected_flagged) as lines_flagged
    from marts.line_health
    where call_date between %(start)s and %(end)s
),

callers as (
    select
        count(*) as callers,
        count(*) filter (where is_person_reached) as callers_served
    from marts.caller_routes
    where call_date between %(start)s and %(end)s and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
)

select
    *,
    answered::numeric / nullif(attempts, 0) as answer_seizure_ratio,
    connected::numeric / nullif(attempts, 0) as connection_ratio,
    talk_seconds / nullif(talked, 0) as average_talk_seconds,
    abandoned::numeric / nullif(connected, 0) as abandonment_ratio,
    customers_in_tier_a::numeric / nullif(customers_judged, 0) as tier_a_ratio,
    demands_won::numeric / nullif(demands_closed, 0) as won_ratio,
    callers_served::numeric / nullif(callers, 0) as callers_served_ratio
from traffic, said, broken, work, standing, stages, lines, callers
