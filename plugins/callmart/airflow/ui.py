"""callmart's pages behind Airflow's own login.

Routes of a plugin are not behind it by themselves: every request is resolved to Airflow's user here, by
its own code, and what the user may do follows from what they may do with the DAGs.
"""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from fastapi import Depends, FastAPI, HTTPException

from callmart.pages import Visitor, create_app
from callmart.settings import Settings

PREFIX = "/callmart"


def visitor(user: Annotated[Any, Depends(get_user)]) -> Visitor:
    """Who sees the runs of build_marts sees the pages; who may run a DAG may do by hand what it does."""
    manager = get_auth_manager()

    def may(method: Any, dag_id: str) -> bool:
        allowed: bool = manager.is_authorized_dag(
            method=method,
            user=user,
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=dag_id),
        )
        return allowed

    if not may("GET", "build_marts"):
        raise HTTPException(403, "you may not see the runs of build_marts")
    return Visitor(
        name=str(user.get_id()),
        may_hear=may("POST", "analyze_recordings"),
        may_requeue=may("POST", "ingest_landing"),
    )


def make_app() -> FastAPI:
    """The application as Airflow mounts it."""
    return create_app(visitor, conf.get("api", "secret_key"), Settings.from_environment)
