-- What the CRM has to be told: who asked in a call not to be called again, with the words and their place.
with asked as (
    select distinct on (call_id)
        call_id,
        customer_id,
        agent_id,
        started_at,
        start_ms,
        end_ms,
        text,
        count(*) over (partition by call_id) as times_asked
    from {{ ref("int_phrase_hits_judged") }}
    where purpose = 'signal' and rule_id = 'do_not_call_asked' and is_connected
    order by call_id asc, start_ms asc nulls last, segment_index asc, char_start asc, length(text) desc, hit_index asc
),

requests as (
    select
        *,
        started_at + interval '1 millisecond' * coalesce(start_ms, 0) as requested_at
    from asked
),

-- Since the request the CRM has flagged the customer, also where it took the flag away again.
flags as (
    select
        requests.call_id,
        max(located.valid_from) as flagged_at
    from requests
    inner join {{ ref("int_customers_located") }} as located
        on
            requests.customer_id = located.customer_id
            and requests.requested_at < located.valid_to
            and located.do_not_call
    group by requests.call_id
),

attempts as (
    select
        requests.call_id,
        count(*) as attempts
    from requests
    inner join {{ ref("int_calls_reconciled") }} as calls
        on
            requests.customer_id = calls.customer_id
            and requests.started_at < calls.started_at
            and calls.direction = 'outbound'
    group by requests.call_id
)

select
    requests.call_id,
    requests.customer_id,
    requests.agent_id,
    requests.requested_at,
    requests.start_ms::bigint as start_ms,
    requests.end_ms::bigint as end_ms,
    requests.text as quote,
    requests.times_asked::integer as times_asked,
    calls.recording_key,
    case
        when requests.customer_id is null then 'no_customer'
        when flags.call_id is not null then 'done'
        else 'open'
    end as status,
    coalesce(attempts.attempts, 0)::integer as attempts_since,
    'Asked on ' || {{ moment_in_words("requests.requested_at", "en") }} || ' not to be called again: '
    || {{ quote_in_words("requests.text", "requests.call_id", "requests.start_ms", "en") }} as reason_en,
    '客户于 ' || {{ moment_in_words("requests.requested_at", "zh") }} || ' 要求不再来电'
    || {{ quote_in_words("requests.text", "requests.call_id", "requests.start_ms", "zh") }} as reason_zh
from requests
inner join {{ ref("int_calls_reconciled") }} as calls on requests.call_id = calls.call_id
left join flags on requests.call_id = flags.call_id
left join attempts on requests.call_id = attempts.call_id
