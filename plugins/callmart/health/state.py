"""How far the data are: one row of figures for `callmart status`."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from callmart.settings import Settings
from callmart.warehouse import connect

STATE_SQL = """
select
    (select count(*) from ops.objects where status in ('discovered', 'loading', 'failed'))
        as objects_waiting,
    (select max(finished_at) from ops.objects where status = 'loaded') as newest_load_at,
    (select count(*) from ops.quarantine where status = 'open') as items_in_quarantine,
    (select max(finished_at) from ops.step_runs
        where task_id = 'validate_marts' and outcome = 'succeeded') as marts_published_at,
    (select count(*) from ops.step_runs
        where outcome = 'failed' and finished_at > now() - interval '24 hours')
        as steps_failed_in_24_hours,
    (select count(*) from ops.alerts where closed_at is null) as open_alerts
"""


def data_state(settings: Settings) -> dict[str, Any]:
    """What waits, what is quarantined, when rows last came in and marts last went out.

    Raises psycopg.OperationalError when the warehouse cannot be reached.
    """
    with connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(STATE_SQL).fetchone()
    return dict(row or {})
