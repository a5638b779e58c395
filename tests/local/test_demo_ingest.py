"""The demo day, ingested, comes out as its own account of it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmart.contracts import load_entities
from callmart.landing import discover, load_objects
from callmart.local import demo_day
from callmart.settings import Settings
from callmart.warehouse import connect


@pytest.mark.postgres
def test_rows_defects_and_recordings_come_out_as_declared(
    postgres: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLMART_SOURCES_DIR", raising=False)
    settings = Settings.from_environment()
    made = demo_day.generate(tmp_path / "day", days=2, scale=0.2)
    for room in ("crm", "recordings", "transcripts"):
        for path in sorted((made.root / room).rglob("*")):
            if path.is_file():
                key = path.relative_to(made.root).as_posix()
                s3.client.put_object(Bucket=settings.bucket, Key=key, Body=path.read_bytes())
    failed = sum(load_objects(settings, batch["object_ids"]).failed for batch in discover(settings))
    assert failed == 0

    with connect(settings) as connection:
        for name, rows in made.rows_current.items():
            key = ", ".join(load_entities()[name].key)
            found = connection.execute(
                f"select count(*) from (select distinct {key} from raw.{name}) as keys".encode()
            ).fetchone()
            assert found == (rows,), name
        quarantined = connection.execute(
            "select object_key, scope, count(*) from ops.quarantine where status = 'open'"
            " group by 1, 2 order by scope"
        ).fetchall()
        assert quarantined == [
            (made.quarantined_files[0], "file", 1),
            ("crm/calls/dt=2026-11-16/calls_pm.csv", "row", made.quarantined_rows),
        ]
        duplicates = connection.execute(
            "select object_key from ops.objects where status = 'duplicate'"
        ).fetchall()
        # Of two names of one content either may be the one that is taken.
        assert len(duplicates) == len(made.duplicate_files)
        [recordings] = connection.execute(
            "select count(distinct call_id) from raw.recordings"
        ).fetchone() or [0]
        assert recordings == made.recordings
        [transcripts] = connection.execute("select count(*) from raw.transcripts").fetchone() or [0]
        assert transcripts == made.transcripts
        unknown = connection.execute(
            "select subject from ops.notices where kind like '%column%'"
        ).fetchall()
        assert ("vendor_trunk_group",) in unknown
