"""The warehouse: connections, schema, bulk loading. What the tables mean is in `migrations/`."""

from callmart.warehouse.bulk import copy_rows, copy_table
from callmart.warehouse.connection import connect
from callmart.warehouse.migrations import MigrationError, migrate

__all__ = ["MigrationError", "connect", "copy_rows", "copy_table", "migrate"]
