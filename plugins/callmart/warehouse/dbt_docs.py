"""dbt's documentation of the project (lineage, SQL, tests, columns) as one page in the bucket."""

from __future__ import annotations

import hashlib
import json
import logging

from callmart.settings import Settings
from callmart.warehouse.dbt import PROJECT_DIR, write_documentation
from callmart.warehouse.increments import hash_of_code

log = logging.getLogger(__name__)

PAGE = "reports/dbt_docs/index.html"
MARK = "reports/dbt_docs/project.json"
"""Which state of the project the page shows."""


def publish_documentation(settings: Settings) -> bool:
    """Put the page into the bucket, unless the one there shows the project as it is.

    Returns whether a page was made. The warehouse is read for types and comments of columns, so that
    the page is of marts that were built.

    Raises:
        DbtError: the project does not parse, or the warehouse cannot be reached.
    """
    from callmart.landing import ObjectStore

    store = ObjectStore(settings)
    mark = json.dumps({"project": _project_hash(settings)}).encode()
    there = {item.key for page in store.list_pages("reports/dbt_docs/") for item in page}
    if {PAGE, MARK} <= there and b"".join(store.stream(MARK)) == mark:
        log.info("s3://%s/%s shows the project as it is", settings.bucket, PAGE)
        return False
    page = write_documentation(settings).read_bytes()
    # Where the project lies on this machine is nobody's business.
    page = page.replace(str(PROJECT_DIR).encode(), b"dbt")
    store.put(PAGE, page, "text/html; charset=utf-8")
    # Last: a publication that was killed is made again.
    store.put(MARK, mark, "application/json")
    log.info("s3://%s/%s: %d bytes", settings.bucket, PAGE, len(page))
    return True


def _project_hash(settings: Settings) -> str:
    named = f"{settings.business_time_zone} {settings.default_country} {hash_of_code(PROJECT_DIR)}"
    return hashlib.sha256(named.encode()).hexdigest()
