"""The one file that Airflow's plugin loader loads: callmart's pages, with an entry in its menu."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from callmart.airflow.ui import PREFIX, make_app

_APP = {"app": make_app(), "url_prefix": PREFIX, "name": "callmart"}
_VIEW = {"name": "callmart", "href": f"{PREFIX}/", "url_route": "callmart", "destination": "nav"}


class CallmartPlugin(AirflowPlugin):
    """Pages at /callmart, shown within Airflow's own."""

    name = "callmart"

    def __init__(self) -> None:
        super().__init__()
        self.fastapi_apps = [_APP]
        self.external_views = [_VIEW]
