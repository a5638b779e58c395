"""dbt's documentation lies in the bucket as one page, made anew when the project changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse import dbt_docs
from callmart.warehouse.dbt import DbtError
from callmart.warehouse.dbt_docs import MARK, PAGE, publish_documentation


@pytest.fixture
def settings(s3: Any, tmp_path: Path) -> Settings:
    return replace(Settings.from_environment(), home=tmp_path)


@pytest.mark.postgres
def test_the_page_is_published_once_for_a_state_of_the_project(
    settings: Settings, s3: Any, empty_marts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = replace(settings, warehouse_dsn=empty_marts)
    assert publish_documentation(built) is True
    answer = s3.client.get_object(Bucket=s3.name, Key=PAGE)
    page = answer["Body"].read().decode()
    assert answer["ContentType"].startswith("text/html")
    assert "model.callmart.daily_call_summary" in page
    assert "Outbound calls started (seizures)" in page
    assert str(PROJECT_ROOT) not in page
    # Nothing changed: nothing is made, and no warehouse is needed to know it.
    assert publish_documentation(replace(settings, warehouse_dsn="")) is False
    # The project changed; without a warehouse the page stays the one it was.
    with monkeypatch.context() as patch:
        patch.setattr(dbt_docs, "_project_hash", lambda _: "another")
        with pytest.raises((DbtError, ValueError)):
            publish_documentation(replace(settings, warehouse_dsn=""))
    again = s3.client.get_object(Bucket=s3.name, Key=PAGE)
    assert again["LastModified"] == answer["LastModified"]
    # A page that is gone is made again, though its mark is there.
    s3.client.delete_object(Bucket=s3.name, Key=PAGE)
    monkeypatch.setattr(
        dbt_docs, "write_documentation", lambda _: PROJECT_ROOT / "docs" / "marts.md"
    )
    assert publish_documentation(built) is True
    assert s3.client.get_object(Bucket=s3.name, Key=PAGE)["ContentLength"] > 1000
    assert s3.client.get_object(Bucket=s3.name, Key=MARK)["ContentLength"] > 64
