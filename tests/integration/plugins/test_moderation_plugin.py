"""The views that Airflow lists for our plugin."""

import httpx
import pytest

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def test_airflow_lists_our_pages(pages: Pages) -> None:
    with pages.airflow.client("admin") as api:
        login = api.login
    answer = httpx.get(f"{pages.airflow.url}/api/v2/plugins", headers=login, timeout=60)
    plugins = {plugin["name"]: plugin for plugin in answer.raise_for_status().json()["plugins"]}
    shown = {
        view["url_route"]: (view["destination"], view["category"], view["nav_top_level"])
        for view in plugins["moderation"]["external_views"]
    }
    assert shown == {
        "moderation_review": ("nav", None, True),
        "moderation_operations": ("nav", "browse", False),
        "moderation_models": ("nav", "browse", False),
        "moderation_nightly_run": ("dag_run", None, False),
        "model_report": ("dag_run", None, False),
    }


def test_addresses_of_our_pages_are_relative_to_where_airflow_is_served(pages: Pages) -> None:
    with pages.airflow.client("admin") as api:
        plugins = {plugin["name"]: plugin for plugin in api.get("/plugins")["plugins"]}
    addresses = [view["href"] for view in plugins["moderation"]["external_views"]]
    assert addresses
    assert all(address.startswith("moderation/") for address in addresses)
