"""Every setting of callmart, read once from the environment.

The embedded stack writes these variables to `.callmart/env` at its first start; on a server they
come from the deployment. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """All settings; each field names its variable in `from_environment`."""

    home: Path
    """State of the embedded stack (default `.callmart` in the project)."""
    warehouse_dsn: str = field(repr=False)
    """libpq connection string of the warehouse, e.g. `postgresql://user:pw@host:port/callmart`."""
    loader_dsn: str = field(repr=False)
    """The warehouse as the role callmart_loader; empty: `warehouse_dsn`."""
    transformer_dsn: str = field(repr=False)
    """The warehouse as the role callmart_transformer; empty: `warehouse_dsn`."""
    pseudonym_key: str = field(repr=False)
    """Secret by which numbers of unknown customers become pseudonyms in the marts."""
    dbt_results_days: int
    """How long dbt's results are kept in `ops.dbt_run_results`."""
    bucket: str
    s3_endpoint_url: str | None
    """None means AWS itself; credentials come the usual boto3 way (AWS_* variables, role)."""
    business_time_zone: str
    """IANA name; a call belongs to the date it started there."""
    default_country: str
    """ISO 3166 alpha-2; where a source names no country its national numbers are read there."""
    sources_dir: Path | None
    """A folder with source mappings of one's own (YAML), read beside the shipped ones."""
    smtp_host: str
    smtp_port: int
    smtp_starttls: bool
    smtp_user: str
    smtp_password: str = field(repr=False)
    mail_from: str
    alert_recipients: tuple[str, ...]
    """Who is told what check_health finds, addresses and `robot:<name>`; nobody where it is empty."""
    robots: Mapping[str, str] = field(repr=False)
    """Robots of group chats by name in lower case, each `KIND ADDRESS [SECRET]` (callmart.robots)."""
    ui_url: str
    """Where people reach Airflow's pages in their browsers; empty: messages carry no link to them."""
    reports_file: Path
    """Who gets which report in which language (YAML)."""
    crm_targets: tuple[str, ...]
    """CRMs that get a feed: names of shipped targets, or paths of YAML files."""
    emotion_families: tuple[str, ...]
    """Families of emotion models by which every recording is judged and whose facts are kept."""
    speech_models: Path | None
    """The folder of speech models, each in a folder of its own; None: nothing is recognised."""
    speech_threads: int
    """Cores that one recognising task uses."""

    def as_loader(self) -> Settings:
        """These settings with the warehouse as the role that writes raw, facts and ops."""
        return replace(self, warehouse_dsn=self.loader_dsn or self.warehouse_dsn)

    def as_transformer(self) -> Settings:
        """These settings with the warehouse as the role that runs dbt and checks its results."""
        return replace(self, warehouse_dsn=self.transformer_dsn or self.warehouse_dsn)

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """Read `CALLMART_*` (and nothing else) from `environment`, default `os.environ`."""
        env = dict(os.environ) if environment is None else environment
        sources_dir = env.get("CALLMART_SOURCES_DIR")
        speech_models = env.get("CALLMART_SPEECH_MODELS")
        return cls(
            home=Path(env.get("CALLMART_HOME", str(PROJECT_ROOT / ".callmart"))).absolute(),
            warehouse_dsn=env.get("CALLMART_WAREHOUSE_DSN", ""),
            loader_dsn=env.get("CALLMART_LOADER_DSN", ""),
            transformer_dsn=env.get("CALLMART_TRANSFORMER_DSN", ""),
            pseudonym_key=env.get("CALLMART_PSEUDONYM_KEY", ""),
            dbt_results_days=int(env.get("CALLMART_DBT_RESULTS_DAYS", "90")),
            bucket=env.get("CALLMART_BUCKET", "callmart"),
            s3_endpoint_url=env.get("CALLMART_S3_ENDPOINT_URL") or None,
            business_time_zone=env.get("CALLMART_BUSINESS_TIME_ZONE", "Asia/Shanghai"),
            default_country=env.get("CALLMART_DEFAULT_COUNTRY", "CN"),
            sources_dir=Path(sources_dir) if sources_dir else None,
            smtp_host=env.get("CALLMART_SMTP_HOST", "127.0.0.1"),
            smtp_port=int(env.get("CALLMART_SMTP_PORT", "25")),
            smtp_starttls=env.get("CALLMART_SMTP_STARTTLS", "no") == "yes",
            smtp_user=env.get("CALLMART_SMTP_USER", ""),
            smtp_password=env.get("CALLMART_SMTP_PASSWORD", ""),
            mail_from=env.get("CALLMART_MAIL_FROM", "callmart@localhost"),
            alert_recipients=tuple(
                address.strip()
                for address in env.get("CALLMART_ALERT_RECIPIENTS", "operations@localhost").split(
                    ","
                )
                if address.strip()
            ),
            robots={
                name.removeprefix("CALLMART_ROBOT_").lower(): value
                for name, value in env.items()
                if name.startswith("CALLMART_ROBOT_") and value.strip()
            },
            ui_url=env.get("CALLMART_UI_URL", ""),
            reports_file=Path(
                env.get(
                    "CALLMART_REPORTS_FILE",
                    str(PROJECT_ROOT / "plugins" / "callmart" / "reports" / "reports.yaml"),
                )
            ),
            crm_targets=tuple(
                target.strip()
                for target in env.get("CALLMART_CRM_TARGETS", "generic").split(",")
                if target.strip()
            ),
            emotion_families=tuple(
                family.strip()
                for family in env.get("CALLMART_EMOTION_FAMILIES", "pca,neural,gmm").split(",")
                if family.strip()
            ),
            speech_models=Path(speech_models) if speech_models else None,
            speech_threads=int(env.get("CALLMART_SPEECH_THREADS", "1")),
        )
