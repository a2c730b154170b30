"""Names, ids and keys that nothing can have."""

import pytest

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

PATHS = [
    "/static/{}",
    "/static/{}.css",
    "/photos/{}?side=320",
    "/photos/{}/activation?side=640&label=x&model=x",
    "/models/{}",
    "/models/{}/plots/trade_off",
    "/models/" + "a" * 64 + "/plots/{}",
    "/models/{}/versus/" + "a" * 64,
    "/models/" + "a" * 64 + "/versus/{}",
    "/api/queue/tasks/{}/why",
    "/operations?run={}",
    "/operations/photos?run={}",
    "/operations/photos?run=x&after={}",
    "/operations/photo?key={}",
    "/report?dag=retrain_model&run={}",
    "/reviewers/activity?actor={}",
]


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 3000, "%E5%9B%BE" * 1500])
@pytest.mark.parametrize("path", PATHS)
def test_name_with_a_nul_or_too_long_is_404(pages: Pages, path: str, name: str) -> None:
    with pages.client("admin") as client:
        answer = client.get(path.replace("{}", name))
    assert (answer.status_code, answer.json()["error"]) == (404, "absent")


@pytest.mark.parametrize("name", ["%00", "x" * 3000])
def test_promotion_of_a_name_that_nothing_has_is_404(pages: Pages, name: str) -> None:
    with pages.client("owner") as client:
        body = {"reason": "x", "expected": None}
        answer = client.post(f"/api/models/{name}/promote", json=body)
    assert (answer.status_code, answer.json()["error"]) == (404, "absent")
