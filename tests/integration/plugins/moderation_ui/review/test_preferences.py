"""The preferences of each reviewer."""

from typing import Any

import pytest

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

DEFAULTS = {"blur": "policy", "grey": False, "order": "priority", "batch": 12}
CHOSEN = {"blur": "always", "grey": True, "order": "oldest", "batch": 24}


def test_preferences_are_stored_per_reviewer(pages: Pages) -> None:
    with pages.client("reviewer") as ann, pages.client("reviewer2") as bob:
        assert ann.get("/api/preferences").json() == DEFAULTS
        for _ in range(2):
            assert ann.put("/api/preferences", json=CHOSEN).json() == CHOSEN
        assert ann.get("/api/preferences").json() == CHOSEN
        assert bob.get("/api/preferences").json() == DEFAULTS


@pytest.mark.parametrize("wrong", [{"batch": 5}, {"theme": "dark"}, {"blur": 1}, {"grey": None}])
def test_invalid_preferences_are_rejected(pages: Pages, wrong: dict[str, Any]) -> None:
    with pages.client("reviewer") as ann:
        ann.put("/api/preferences", json=CHOSEN)
        answer = ann.put("/api/preferences", json=CHOSEN | wrong)
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
        assert ann.get("/api/preferences").json() == CHOSEN


def test_stored_preferences_that_are_no_longer_valid_are_ignored(pages: Pages) -> None:
    pages.shop.execute(
        "insert into moderation.reviewer_preference (reviewer, settings) "
        """values ('reviewer', '{"batch": 1000}')"""
    )
    with pages.client("reviewer") as ann:
        assert ann.get("/api/preferences").json() == DEFAULTS
