-- Agents that worked or called in the period; each ratio from its own sums.
select
    scorecard.agent_id,
    names.agent_name,
    scorecard.team,
    sum(attempts + inbound_calls) as calls,
    sum(attempts) as attempts,
    sum(connected) as connected,
    sum(connected)::numeric / nullif(sum(attempts), 0) as connection_ratio,
    sum(talk_seconds) as talk_seconds,
    sum(handle_seconds)::numeric / nullif(sum(handled), 0) as average_handle_time_seconds,
    sum(occupied_seconds)::numeric / nullif(sum(occupied_seconds + available_seconds), 0) as occupancy,
    sum(adherent_seconds) as adherent_seconds,
    sum(scheduled_seconds) as scheduled_seconds,
    sum(adherent_seconds)::numeric / nullif(sum(scheduled_seconds), 0) as adherence,
    sum(worked_seconds)::numeric / nullif(sum(scheduled_work_seconds), 0) as conformance,
    sum(rule_violations) as rule_violations,
    count(*) over () as found
from marts.agent_scorecard as scorecard
left join marts_pii.agent_names as names on scorecard.agent_id = names.agent_id
where
    scorecard.work_date between %(start)s and %(end)s and (%(team)s::text is null or scorecard.team = %(team)s)
    and (staffed_seconds > 0 or scheduled_seconds > 0 or attempts + inbound_calls > 0)
group by 1, 2, 3
order by talk_seconds desc, scorecard.agent_id
limit 60
