"""Registers the moderation pages with Airflow; no logic, light to import."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from moderation_ui.lazy_app import lazy_app

PREFIX = "/moderation"


class ModerationPlugin(AirflowPlugin):
    """The app, and where its pages show."""

    name = "moderation"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {"app": lazy_app, "url_prefix": PREFIX, "name": "moderation"}
    ]
    external_views: list[Any] = [  # noqa: RUF012 - as above
        {
            "name": "Model report · 模型报告",
            "href": f"{PREFIX}/report?dag={{DAG_ID}}&run={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "model_report",
        }
    ]
