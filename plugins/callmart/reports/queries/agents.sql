-- Agents that worked or called on the day.
select
    scorecard.agent_id, names.agent_name, attempts + inbound_calls as calls, connected, talk_seconds,
    average_handle_time_seconds, occupancy
from marts.agent_scorecard as scorecard
left join marts_pii.agent_names as names on scorecard.agent_id = names.agent_id
where work_date = %(day)s
order by talk_seconds desc, scorecard.agent_id
