-- Connected calls in which the customer sounded worst (index 50 is neutral), to be listened to.
select
    calls.call_id,
    calls.customer_id,
    calls.agent_id,
    names.agent_name,
    calls.started_at,
    calls.customer_emotion as emotion,
    calls.customer_emotion_index as emotion_index,
    calls.talk_seconds,
    (calls.customer_first_speech_seconds * 1000)::bigint as start_ms,
    count(*) over () as found
from marts.calls as calls
left join marts_pii.agent_names as names on calls.agent_id = names.agent_id
where
    calls.call_date between %(start)s and %(end)s and calls.is_connected and calls.agent_id is not null and calls.customer_emotion_index < 50 and (%(team)s::text is null or calls.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
order by calls.customer_emotion_index, calls.call_id
limit 8
