"""A warehouse whose marts were built from the real landing zone and from what truly is on the recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from built_marts import Marts, write_truth
from compiled_models import Run, model_runner

from callmart.landing import discover, load_dispositions_csv, load_objects
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import build


@pytest.fixture(scope="session")
def landing_settings(
    test_data: Path,
    make_database: Callable[[], str],
    s3_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """Settings of a warehouse into which the real landing zone was loaded."""
    import boto3

    folder = test_data / "landing"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.items():
            patch.setenv(name, value)
        settings = replace(
            Settings.from_environment(),
            home=tmp_path_factory.mktemp("dbt-home"),
            warehouse_dsn=make_database(),
            bucket="dbt-landing",
            s3_endpoint_url=s3_server["CALLMART_S3_ENDPOINT_URL"],
            sources_dir=None,
        )
        client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
        client.create_bucket(Bucket=settings.bucket)
        for room in ("crm", "recordings", "transcripts"):
            for path in sorted((folder / room).rglob("*")):
                if path.is_file():
                    key = path.relative_to(folder).as_posix()
                    client.put_object(Bucket=settings.bucket, Key=key, Body=path.read_bytes())
        load_dispositions_csv(settings, folder / "dispositions.csv")
        for batch in discover(settings):
            summary = load_objects(settings, batch["object_ids"])
            assert summary.failed == 0, summary.messages
        write_truth(settings, folder / "truth.csv")
        yield settings


@pytest.fixture(scope="session")
def marts(landing_settings: Settings, test_data: Path) -> Marts:
    """All models, seeds and data tests, built once."""
    expected = json.loads((test_data / "landing" / "expected.json").read_text(encoding="utf-8"))
    return Marts(landing_settings, expected, build(landing_settings))


@pytest.fixture(scope="session")
def new_settings(
    make_database: Callable[[], str],
    s3_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Settings]]:
    """Makes settings of an empty warehouse and bucket of the given name."""
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.items():
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=s3_server["CALLMART_S3_ENDPOINT_URL"])

        def make(bucket: str) -> Settings:
            client.create_bucket(Bucket=bucket)
            return replace(
                Settings.from_environment(),
                home=tmp_path_factory.mktemp(bucket),
                warehouse_dsn=make_database(),
                bucket=bucket,
                s3_endpoint_url=s3_server["CALLMART_S3_ENDPOINT_URL"],
                sources_dir=None,
            )

        yield make


@pytest.fixture(scope="session")
def invented(new_settings: Callable[[str], Settings]) -> Marts:
    """The marts of the invented centre (invented_centre.py), delivered plainly; only read them."""
    from invented_centre import build_from, plain_delivery

    return build_from(new_settings("invented"), [plain_delivery()])


@pytest.fixture
def run_model(marts: Marts) -> Iterator[Run]:
    """Run one model's SQL over tables of the test's own; nothing of it stays."""
    with connect(marts.settings) as conn:
        yield model_runner(conn, marts.settings.home / "dbt" / "target" / "compiled")
        conn.rollback()
