{#-
The moment that words mean (facts.phrase_hits.said_moment, ml/phrases/moments.py), said at a moment, on the clock of
a time zone (SQL expressions). A day without an hour means nine in the morning, an hour without a day its next
coming, a weekday its next coming after today, "next week" its Monday; null where nothing was named.
-#}
{% macro moment_meant(words, said_at, zone) -%}
case
    when {{ words }} is null then null
    when {{ words }} ? 'minutes_ahead'
        then {{ said_at }} + interval '1 minute' * ({{ words }} ->> 'minutes_ahead')::integer
    else (
        select
            (
                meant.day + meant.clock
                + case
                    when meant.is_day_said or meant.day + meant.clock > meant.said_on then interval '0'
                    else interval '1 day'
                end
            ) at time zone {{ zone }}
        from (
            select
                ({{ said_at }}) at time zone {{ zone }} as said_on,
                ({{ words }} ?| array['days_ahead', 'weekday', 'weeks_ahead']) as is_day_said,
                make_time(
                    coalesce(({{ words }} ->> 'hour')::integer, 9), coalesce(({{ words }} ->> 'minute')::integer, 0), 0
                ) as clock,
                said.today + case
                    when {{ words }} ? 'days_ahead' then ({{ words }} ->> 'days_ahead')::integer
                    when {{ words }} ? 'weeks_ahead'
                        then
                            7 * ({{ words }} ->> 'weeks_ahead')::integer + 1 - extract(isodow from said.today)::integer
                            + coalesce(({{ words }} ->> 'weekday')::integer, 1) - 1
                    when {{ words }} ? 'weekday'
                        then 1 + (({{ words }} ->> 'weekday')::integer - extract(isodow from said.today)::integer + 6) % 7
                    else 0
                end as day
            from (select (({{ said_at }}) at time zone {{ zone }})::date as today) as said
        ) as meant
    )
end
{%- endmacro %}
