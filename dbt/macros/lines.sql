{#- Statistics of lines: what line_health and line_mode_comparison compare by. -#}

{#- The probability of a standard normal variable at or below z. -#}
{% macro normal_below(z) -%}
0.5 * erfc(-({{ z }}) / sqrt(2.0))
{%- endmacro %}

{#-
What one of two series would have connected in a stratum if both connected alike (mean of the hypergeometric
distribution), and its variance; sums of them over strata make the test of Mantel and Haenszel (1959).
-#}
{% macro alike_expected(attempts, connected, other_attempts, other_connected) -%}
{{ attempts }}::double precision * ({{ connected }} + {{ other_connected }}) / ({{ attempts }} + {{ other_attempts }})
{%- endmacro %}

{% macro alike_variance(attempts, connected, other_attempts, other_connected) -%}
case
    when {{ attempts }} + {{ other_attempts }} > 1
        then
            {{ attempts }}::double precision * {{ other_attempts }} * ({{ connected }} + {{ other_connected }})
            * ({{ attempts }} + {{ other_attempts }} - {{ connected }} - {{ other_connected }})
            / (
                ({{ attempts }} + {{ other_attempts }})::double precision ^ 2
                * ({{ attempts }} + {{ other_attempts }} - 1)
            )
end
{%- endmacro %}

{#-
One-sided p of a sum that lies below what was expected, with half a connection of continuity; a variance of
nothing tells nothing (null). dispersion: how much wider than chance days scatter.
-#}
{% macro p_below(observed, expected, variance, dispersion) -%}
case
    when {{ variance }} > 0
        then {{ normal_below(
            "(" ~ observed ~ " - (" ~ expected ~ ") + 0.5) / sqrt((" ~ dispersion ~ ") * (" ~ variance ~ "))"
        ) }}
end
{%- endmacro %}

{#-
The p values of one day adjusted for how many questions were asked that day (Benjamini and Hochberg 1995), over
rows with p, its rank p_rank and questions_of_day. A line is flagged where it is at most line_false_discovery_rate.
-#}
{% macro adjusted_p() -%}
least(
    min(p * questions_of_day / p_rank) over (
        partition by call_date
        order by p_rank desc
        rows between unbounded preceding and current row
    ),
    1
)
{%- endmacro %}
