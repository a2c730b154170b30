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
            # The bar cuts a label at about nine characters.
            "name": "Review",
            "href": f"{PREFIX}/queue",
            "destination": "nav",
            "url_route": "moderation_review",
            "nav_top_level": True,
        },
        {
            "name": "Operations",
            "href": f"{PREFIX}/operations",
            "destination": "nav",
            "url_route": "moderation_operations",
            "category": "browse",
        },
        {
            "name": "Models",
            "href": f"{PREFIX}/models",
            "destination": "nav",
            "url_route": "moderation_models",
            "category": "browse",
        },
        {
            "name": "Nightly run · 夜间运行",
            "href": f"{PREFIX}/operations?run={{RUN_ID}}&dag={{DAG_ID}}",
            "destination": "dag_run",
            "url_route": "moderation_nightly_run",
        },
        {
            "name": "Model report · 模型报告",
            "href": f"{PREFIX}/report?dag={{DAG_ID}}&run={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "model_report",
        },
    ]
