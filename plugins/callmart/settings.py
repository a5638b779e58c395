"""Every setting of callmart, read once from the environment.

The embedded stack writes these variables to `.callmart/env` at its first start; on a server they
come from the deployment. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """All settings; each field names its variable in `from_environment`."""

    home: Path
    """State of the embedded stack (default `.callmart` in the project)."""
    warehouse_dsn: str
    """libpq connection string of the warehouse, e.g. `postgresql://user:pw@host:port/callmart`."""
    bucket: str
    s3_endpoint_url: str | None
    """None means AWS itself; credentials come the usual boto3 way (AWS_* variables, profile, role)."""
    business_time_zone: str
    """IANA name; a call belongs to the date it started there."""
    default_country: str
    """ISO 3166 alpha-2; national numbers of a source without a country of its own are read there."""
    sources_dir: Path | None
    """A folder with source mappings of one's own (YAML), read beside the shipped ones."""
    smtp_host: str
    smtp_port: int
    mail_from: str

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """Read `CALLMART_*` (and nothing else) from `environment`, default `os.environ`."""
        env = dict(os.environ) if environment is None else environment
        sources_dir = env.get("CALLMART_SOURCES_DIR")
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
            mail_from=env.get("CALLMART_MAIL_FROM", "callmart@localhost"),
        )
