"""Every setting of callmart, read once from the environment.

The embedded stack writes these variables to `.callmart/env` at its first start; on a server they
come from the deployment. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """All settings; each field names its variable in `from_environment`."""

    home: Path
    """State of the embedded stack (default `.callmart` in the project)."""
    warehouse_dsn: str = field(repr=False)
    """libpq connection string of the warehouse, e.g. `postgresql://user:pw@host:port/callmart`."""
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
    """Who is told what check_health finds; nobody where it is empty."""
    reports_file: Path
    """Who gets which report in which language (YAML)."""
    emotion_families: tuple[str, ...]
    """Families of emotion models by which every recording is judged and whose facts are kept."""
    speech_models: Path | None
    """The folder of speech models, each in a folder of its own; None: nothing is recognised."""
    speech_threads: int
    """Cores that one recognising task uses."""

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """Read `CALLMART_*` (and nothing else) from `environment`, default `os.environ`."""
        env = dict(os.environ) if environment is None else environment
        sources_dir = env.get("CALLMART_SOURCES_DIR")
        speech_models = env.get("CALLMART_SPEECH_MODELS")
        return cls(
            home=Path(env.get("CALLMART_HOME", str(PROJECT_ROOT / ".callmart"))).absolute(),
            warehouse_dsn=env.get("CALLMART_WAREHOUSE_DSN", ""),
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
            reports_file=Path(
                env.get(
                    "CALLMART_REPORTS_FILE",
                    str(PROJECT_ROOT / "plugins" / "callmart" / "reports" / "reports.yaml"),
                )
            ),
            emotion_families=tuple(
                family.strip()
                for family in env.get("CALLMART_EMOTION_FAMILIES", "pca,neural,gmm").split(",")
                if family.strip()
            ),
            speech_models=Path(speech_models) if speech_models else None,
            speech_threads=int(env.get("CALLMART_SPEECH_THREADS", "1")),
        )
