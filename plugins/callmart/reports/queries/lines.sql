-- Lines that were dialled out on, with their health.
select
    line_id, attempts, connected, connection_ratio,
    connection_ratio_lower as ratio_low, connection_ratio_upper as ratio_high,
    is_suspected_flagged, verdict
from marts.line_health
where call_date = %(day)s
order by attempts desc, line_id
