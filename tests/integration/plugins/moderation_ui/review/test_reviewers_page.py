"""The reviewers page as it is served."""

import pytest

from ml.storage.activity_log import record
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
            record(connection, actor=who, action="decide", target=target, **said)  # type: ignore[arg-type]

    in_transaction(pages.shop.connections.engine, work)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reviewers_page_without_decisions_says_so(pages: Pages, language: str) -> None:
    for path in (
        "/reviewers",
        "/reviewers?days=7",
        "/reviewers/activity",
        "/reviewers/activity?actor=nobody",
    ):
        status, page = _get(pages, path, language)
        assert status == 200
        assert ("No activity recorded." if language == "en" else "暂无操作记录。") in page


def test_activity_log_is_paginated(pages: Pages) -> None:
    _did(pages, 60)
    _did(pages, 60, "bob & co")
    first = _get(pages, "/reviewers/activity?actor=bob+%26+co")[1]
    assert first.count("task ") == 50
    older = first.partition("?before=")[2].partition("&")[0]
    second = _get(pages, f"/reviewers/activity?before={older}&actor=bob+%26+co")[1]
    assert second.count("task ") == 10
    assert "before=" not in second
    assert "ann" in second  # to choose from


@pytest.mark.parametrize("query", ["?days=0", "?days=366", "?days=x"])
def test_invalid_period_is_422(pages: Pages, query: str) -> None:
    assert _get(pages, f"/reviewers{query}")[0] == 422


@pytest.mark.parametrize("query", ["?before=0", "?before=99999999999999999999"])
def test_invalid_page_of_the_log_is_422(pages: Pages, query: str) -> None:
    assert _get(pages, f"/reviewers/activity{query}")[0] == 422
