"""A call centre's history of any size, made in the warehouse by SQL, the same from the same seed.

One day at a time: `fill(connection, size, first, last)`. Ids rise with time, as dialler ids do; who is
called, what comes of it and how long it takes is drawn by hashing the number of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg

FIRST_DAY = date(2026, 1, 1)

_DRAW = """
create or replace function pg_temp.draw(row_number bigint, what integer) returns double precision
immutable language sql as
'select (hashint8extended(row_number, what) & 4294967295)::double precision / 4294967296';
"""

_OBJECT = """
insert into ops.objects (
    bucket, object_key, etag, size_bytes, modified_at, kind, source, entities, delivered_on, status
)
values ('bench', %(key)s, 'e', 1, now(), 'crm', 'bench', %(entities)s, %(day)s, 'loaded')
returning object_id
"""

_PLACE = (
    "%(object)s, row_number() over (), 0, %(day)s, %(key)s, now(), 'bench'",
    "_object_id, _row_number, _row_part, _delivered_on, _object_key, _object_modified_at, _source",
)

_MASTER = {
    "agents": """
insert into raw.agents (agent_id, name, team, extension, updated_at, {columns})
select 'a' || n, 'Agent ' || n, 'team ' || n %% 5, (8000 + n)::text, '2025-12-01 00:00+08', {values}
from generate_series(1, %(agents)s) as n
""",
    "lines": """
insert into raw.lines (line_id, number, line_group, direction, is_active, updated_at, {columns})
select 'l' || n, '+8621' || 60000000 + n, 'G' || n %% 4, 'both', true, '2025-12-01 00:00+08', {values}
from generate_series(1, 40) as n
""",
    "campaigns": """
insert into raw.campaigns (campaign_id, name, dial_mode, line_mode, product, updated_at, {columns})
select
    'k' || n, 'Campaign ' || n, 'predictive', case when n %% 2 = 0 then 'single' else 'multiple' end,
    'product ' || n %% 3, '2025-12-01 00:00+08', {values}
from generate_series(1, 6) as n
""",
    "sales_rules": """
insert into raw.sales_rules (
    rule_id, rule_type, parameters, severity, effective_from, updated_at, {columns}
)
select
    rule_type, rule_type, parameters::jsonb, 'major', '2025-12-01 00:00+08', '2025-12-01 00:00+08',
    {values}
from (values
    ('calling_hours', '{{"from": "09:00", "to": "20:00"}}'),
    ('max_attempts', '{{"count": 3, "per_hours": 24}}'),
    ('min_interval', '{{"minutes": 30}}'),
    ('answer_to_agent', '{{"seconds": 2}}'),
    ('do_not_call', '{{}}')
) as rules (rule_type, parameters)
""",
    "customers": """
insert into raw.customers (
    customer_id, name, phone, phone_delivered, region, segment, consent_status, do_not_call, created_at,
    updated_at, {columns}
)
select
    'u' || lpad(n::text, 9, '0'), 'Customer ' || n, '+86138' || lpad(n::text, 8, '0'), n::text,
    case when n %% 2 = 0 then '华东' else '华南' end, case when n %% 9 = 0 then 'gold' else 'standard' end,
    case when n %% 20 = 0 then 'refused' else 'granted' end, n %% 50 = 0, '2025-12-01 00:00+08',
    '2025-12-01 00:00+08', {values}
from generate_series(1, %(customers)s) as n
""",
    "demands": """
insert into raw.demands (
    demand_id, customer_id, product, stage, expected_value, currency, created_at, updated_at, {columns}
)
select
    'd' || n, 'u' || lpad((n * 8)::text, 9, '0'), 'product ' || n %% 3,
    (array['new', 'contacted', 'interested', 'won', 'lost'])[1 + n %% 5], 1000 + n %% 900, 'CNY',
    '2025-12-01 00:00+08', '2025-12-02 00:00+08', {values}
from generate_series(1, %(customers)s / 8) as n
""",
}

_CALLS = """
insert into raw.calls (
    call_id, direction, campaign_id, customer_id, agent_id, line_id, from_number, to_number,
    started_at, ringing_at, answered_at, agent_joined_at, ended_at, disposition, sip_code, hangup_by,
    hold_seconds, wrap_up_seconds, list_id, updated_at, {columns}
)
select
    'c' || lpad(n::text, 12, '0'),
    case when is_inbound then 'inbound' else 'outbound' end,
    case when not is_inbound then 'k' || 1 + floor(6 * pg_temp.draw(n, 5))::integer end,
    -- One in ten comes without an id and is found by its number.
    case when pg_temp.draw(n, 6) > 0.1 then 'u' || lpad(customer::text, 9, '0') end,
    case when is_answered then 'a' || 1 + floor(%(agents)s * pg_temp.draw(n, 7))::integer end,
    'l' || line,
    case when is_inbound then '+86138' || lpad(customer::text, 8, '0') else '+8621' || 60000000 + line end,
    case when is_inbound then '+8621' || 60000000 + line else '+86138' || lpad(customer::text, 8, '0') end,
    started_at,
    started_at + interval '2 seconds',
    case when is_answered then started_at + interval '9 seconds' end,
    case when is_answered then started_at + interval '10 seconds' end,
    started_at + interval '1 second'
    * (20 + case when is_answered then floor(200 * pg_temp.draw(n, 8)) else 0 end),
    case when is_answered then 'human' else 'no_answer' end,
    case when is_answered then 200 else 480 end,
    'customer',
    0,
    floor(30 * pg_temp.draw(n, 9)),
    'list ' || n %% 7,
    started_at + interval '5 minutes',
    {values}
from (
    select
        n,
        pg_temp.draw(n, 1) < 0.3 as is_answered,
        pg_temp.draw(n, 2) < 0.05 as is_inbound,
        1 + floor(%(customers)s * pg_temp.draw(n, 3))::bigint as customer,
        1 + floor(40 * pg_temp.draw(n, 4))::integer as line,
        (%(day)s::date + time '09:00')::timestamp at time zone 'Asia/Shanghai'
        + interval '11 hours' * ((n - %(from_call)s)::double precision / %(calls)s) as started_at
    from generate_series(%(from_call)s::bigint, %(from_call)s + %(calls)s - 1) as n
) as drawn
"""

_STATES = """
insert into raw.agent_states (agent_id, state, started_at, ended_at, updated_at, {columns})
select
    'a' || agent,
    (array['available', 'talking', 'wrap_up'])[1 + piece %% 3],
    starts_at + interval '10 minutes' * piece,
    starts_at + interval '10 minutes' * (piece + 1),
    starts_at + interval '12 hours',
    {values}
from (
    select
        agent,
        piece,
        (%(day)s::date + time '09:00')::timestamp at time zone 'Asia/Shanghai' as starts_at
    from generate_series(1, %(agents)s) as agent cross join generate_series(0, 65) as piece
) as pieces
"""

_RECORDINGS = (
    """
insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)
select
    call_id, md5(call_id), 'recordings/dt=' || %(day)s || '/' || call_id || '.wav', %(day)s::date
from raw.calls where _object_id = %(object)s and answered_at is not null
""",
    """
insert into facts.recordings (
    content_hash, analyser_version, outcome, is_answered, is_connected, confidence, duration_seconds,
    answered_at_seconds, silence_seconds, mutual_silence_over_3s_seconds, overlap_seconds, interruptions,
    agent_response_seconds_median, customer_response_seconds_median, analysed_at
)
select
    md5(call_id), '1', 'human', true, true, 0.9, extract(epoch from ended_at - started_at), 9, 5, 0, 1, 1,
    0.6, 0.8, ended_at
from raw.calls where _object_id = %(object)s and answered_at is not null
""",
    """
insert into facts.speech_sides (
    content_hash, analyser_version, side, talk_seconds, turns, longest_turn_seconds, first_speech_seconds
)
select
    md5(call_id), '1', side, extract(epoch from ended_at - started_at) / 3, 9, 12,
    case side when 'agent' then 10 else 12 end
from raw.calls cross join (values ('agent'), ('customer')) as sides (side)
where _object_id = %(object)s and answered_at is not null
""",
)


@dataclass(frozen=True)
class Size:
    """How large the centre is."""

    calls_a_day: int
    customers: int
    agents: int


def fill(connection: psycopg.Connection[Any], size: Size, first: int, last: int) -> int:
    """Add the days `first` to `last` (from 0 on; 0 brings customers, agents and lines); calls added."""
    connection.execute(_DRAW)
    for number in range(first, last + 1):
        names = {
            "day": (FIRST_DAY + timedelta(days=number)).isoformat(),
            "calls": size.calls_a_day,
            "customers": size.customers,
            "agents": size.agents,
            "from_call": number * size.calls_a_day + 1,
        }
        if number == 0:
            for entity, statement in _MASTER.items():
                _insert(connection, statement, names, entity)
        _insert(connection, _STATES, names, "agent_states")
        object_id = _insert(connection, _CALLS, names, "calls")
        for statement in _RECORDINGS:
            connection.execute(statement.encode(), {**names, "object": object_id})
    return (last - first + 1) * size.calls_a_day


def _insert(
    connection: psycopg.Connection[Any], statement: str, names: dict[str, Any], entity: str
) -> int:
    place = {**names, "key": f"crm/{entity}/dt={names['day']}/bench.csv", "entities": [entity]}
    object_id = connection.execute(_OBJECT.encode(), place).fetchall()[0][0]
    values, columns = _PLACE
    text = statement.format(columns=columns, values=values)
    connection.execute(text.encode(), {**place, "object": object_id})
    return int(object_id)
