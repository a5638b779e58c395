-- Agents that worked or called on the day.
select
    agent_id, agent_name, attempts + inbound_calls as calls, connected, talk_seconds,
    average_handle_time_seconds, occupancy
from marts.agent_scorecard
where work_date = %(day)s
order by talk_seconds desc, agent_id
