"""What the outside world may rely on: the entities of the landing bucket, defined once.

`entities.yaml` is read by the landing readers, the raw tables' generator and the documentation.
"""

from callmart.contracts.entities import Column, ColumnType, Entity, load_entities

__all__ = ["Column", "ColumnType", "Entity", "load_entities"]
