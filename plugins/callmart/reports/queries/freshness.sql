-- How fresh each source is.
select entity, source, newest_row_at, newest_load_at, rows_quarantined + files_quarantined as rows_quarantined
from marts.data_freshness
order by entity, source
