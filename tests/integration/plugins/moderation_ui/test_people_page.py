"""The people page as it is served."""

import pytest

from ml.review.activity import record
from ml.storage.database import in_transaction
from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def _get(pages: Pages, path: str, language: str = "en") -> tuple[int, str]:
    with pages.client("owner") as client:
        answer = client.get(path, headers={"Accept-Language": language})
    return answer.status_code, answer.text


def _did(pages: Pages, count: int, who: str = "ann") -> None:
    def work(connection: object) -> None:
        for number in range(count):
            target, said = f"review_task:{number}", {"label": "violate"}
            record(connection, who=who, what="decide", target=target, **said)  # type: ignore[arg-type]

    in_transaction(pages.shop.connections.engine, work)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_empty_shop_says_that_there_is_nothing(pages: Pages, language: str) -> None:
    for path in ("/people", "/people?days=7", "/people/activity", "/people/activity?who=nobody"):
        status, page = _get(pages, path, language)
        assert status == 200
        assert ("Nothing is on record." if language == "en" else "暂无记录。") in page


def test_the_record_goes_on_page_by_page(pages: Pages) -> None:
    _did(pages, 60)
    _did(pages, 60, "bob & co")
    first = _get(pages, "/people/activity?who=bob+%26+co")[1]
    assert first.count("task ") == 50
    older = first.partition("?before=")[2].partition("&")[0]
    second = _get(pages, f"/people/activity?before={older}&who=bob+%26+co")[1]
    assert second.count("task ") == 10
    assert "before=" not in second
    assert "ann" in second  # to choose from


@pytest.mark.parametrize("query", ["?days=0", "?days=366", "?days=x"])
def test_impossible_spans_are_422(pages: Pages, query: str) -> None:
    assert _get(pages, f"/people{query}")[0] == 422


@pytest.mark.parametrize("query", ["?before=0", "?before=99999999999999999999", "?who=%00"])
def test_impossible_pages_are_422(pages: Pages, query: str) -> None:
    assert _get(pages, f"/people/activity{query}")[0] == 422
