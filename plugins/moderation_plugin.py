"""Registers the moderation pages with Airflow.

Every Airflow process loads plugins, but only one serves pages: the app is built at its first
request.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

PREFIX = "/moderation"


@cache
def _app() -> "FastAPI":
    from moderation_ui.app import build_app

    return build_app()


async def lazy_app(scope: "Scope", receive: "Receive", send: "Send") -> None:
    """Pass a request to the app (ASGI)."""
    await _app()(scope, receive, send)


def _view(
    name: str, path: str, route: str, destination: str, **placement: object
) -> dict[str, Any]:
    # Without a leading slash: the address is relative to where Airflow is served.
    href = PREFIX.removeprefix("/") + path
    fields = {"name": name, "href": href, "url_route": route, "destination": destination}
    return fields | placement


class ModerationPlugin(AirflowPlugin):
    """The app, and the places in Airflow where its pages appear."""

    name = "moderation"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {"app": lazy_app, "url_prefix": PREFIX, "name": "moderation"}
    ]
    external_views: list[Any] = [  # noqa: RUF012 - as above
        # The bar cuts a label at about nine characters.
        _view("Review", "/queue", "moderation_review", "nav", nav_top_level=True),
        _view("Operations", "/operations", "moderation_operations", "nav", category="browse"),
        _view("Models", "/models", "moderation_models", "nav", category="browse"),
        _view(
            "Nightly run · 夜间运行",
            "/operations?run={RUN_ID}&dag={DAG_ID}",
            "moderation_nightly_run",
            "dag_run",
        ),
        _view(
            "Model report · 模型报告",
            "/report?dag={DAG_ID}&run={RUN_ID}",
            "model_report",
            "dag_run",
        ),
    ]
