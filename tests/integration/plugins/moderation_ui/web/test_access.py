"""Every route against every role."""

import pytest

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

# (method, path, who may: the first of these roles and all after it)
ROLES = ("viewer", "reviewer", "owner", "admin")
ROUTES = [
    ("GET", "/", "viewer"),
    ("GET", "/help", "viewer"),
    ("GET", "/static/base.css", "viewer"),
    ("GET", "/report?dag=retrain_model&run=x", "viewer"),
    ("POST", "/api/queue/claim", "reviewer"),
    ("GET", "/api/queue/held", "reviewer"),
    ("POST", "/api/queue/renew", "reviewer"),
    ("POST", "/api/queue/release", "reviewer"),
    ("POST", "/api/queue/skip", "reviewer"),
    ("POST", "/api/queue/decide", "reviewer"),
    ("POST", "/api/queue/undo", "reviewer"),
    ("POST", "/api/queue/counts", "reviewer"),
    ("GET", "/api/queue/tasks/0/why", "reviewer"),
    ("GET", "/api/preferences", "reviewer"),
    ("PUT", "/api/preferences", "reviewer"),
    ("POST", "/api/appeals", "reviewer"),
    ("GET", "/photos/x?side=320", "viewer"),
    ("GET", "/photos/x/activation?side=640", "viewer"),
    ("GET", "/operations", "viewer"),
    ("GET", "/operations/photos?run=x", "viewer"),
    ("GET", "/operations/photo?key=x", "viewer"),
    ("GET", "/queue", "reviewer"),
    ("GET", "/models", "viewer"),
    ("GET", "/models/x", "viewer"),
    ("GET", "/models/x/plots/trade_off", "viewer"),
    ("GET", "/models/x/versus/x", "viewer"),
    ("POST", "/api/models/x/promote", "owner"),
    ("POST", "/api/models/rollback", "owner"),
    ("GET", "/reviewers", "owner"),
    ("GET", "/reviewers/activity", "owner"),
]


@pytest.mark.parametrize(("method", "path", "least"), ROUTES)
def test_request_without_login_is_401(pages: Pages, method: str, path: str, least: str) -> None:
    del least
    with pages.client(None) as client:
        assert client.request(method, path).status_code == 401


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path", "least"), ROUTES)
def test_each_role_reaches_its_routes_alone(
    pages: Pages, role: str, method: str, path: str, least: str
) -> None:
    with pages.client(role) as client:
        answer = client.request(method, path)
    if ROLES.index(role) < ROLES.index(least):
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    else:
        assert answer.status_code not in (401, 403, 404, 500), answer.text
