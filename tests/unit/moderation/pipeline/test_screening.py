"""A text that was read joins the other results; near duplicates of pages of text say nothing."""

import pytest

from ml.core.budget import Budget
from ml.core.types import (
    ImageContent,
    PendingImage,
    Scored,
    ScreenResult,
    negative,
    not_run,
    positive,
)
from ml.moderation.pipeline.screening import add_text, load_screening
from ml.policy.screens import Screens
from ml.vision.screens.duplicate_index import DuplicateIndex

PAGE = positive("text", "text_dominated", 0.4, {"dense": True})
LINE = negative("text", 0.01, {"dense": False})
NEAR = {"passed": [{"content_sha256": "a" * 64, "distance": 3}]}


def scored(duplicates: ScreenResult | None) -> Scored:
    screens = {"text": not_run("text", "budget")}
    if duplicates is not None:
        screens["duplicates"] = duplicates
    content = ImageContent("0" * 64, "0" * 64, 90, 10, 10)
    return Scored(PendingImage("k", "", 1), content, {"normal": 1.0}, None, screens)


@pytest.mark.parametrize(
    ("read", "duplicates", "expected"),
    [
        (PAGE, negative("duplicates", None, NEAR), {"dense_text": True}),
        (LINE, negative("duplicates", None, NEAR), NEAR),
        (PAGE, positive("duplicates", "near_duplicate_blocked", 3.0, NEAR), NEAR),
    ],
)
def test_near_duplicates_of_a_page_of_text_are_left_out_unless_they_fired(
    read: ScreenResult, duplicates: ScreenResult, expected: dict[str, object]
) -> None:
    found = add_text(scored(duplicates), read)
    assert found.screens["text"] == read
    assert found.screens["duplicates"].evidence == expected
    assert found.screens["duplicates"].fired == duplicates.fired


def test_page_of_text_gets_no_result_of_a_disabled_screen() -> None:
    assert add_text(scored(None), PAGE).screens == {"text": PAGE}


def test_budget_is_the_policys_share_of_the_processor_time_that_is_used() -> None:
    rules = Screens.model_validate({"text": {"enabled": True, "budget_share": 0.25}})
    screening = load_screening(rules, DuplicateIndex([]))
    assert screening is not None
    screening.processor_time.add(100.0)
    assert 25.0 <= screening.budget.budget.earned < 30.0
    assert load_screening(Screens(), DuplicateIndex([]), budget=Budget(1.0)) is None
