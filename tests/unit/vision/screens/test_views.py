"""What is recorded of a photo's views, and the results of screens that saw several."""

import pytest

from ml.core.types import ScreenResult, ScreenStatus, negative, not_run, positive, unknown
from ml.policy.screens import Screens
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.views import describe_views, merge_outcomes
from tests.support import views
from tests.support.photos import photo

LIMITS = DecodeLimits()
ON: dict[str, object] = {"enabled": True}
RULES = Screens.model_validate({"codes": ON, "sharpness": ON})
EVIDENCE = Screens.model_validate({"codes": {**ON, "action": "evidence"}})


def described(data: bytes) -> ScreenResult | None:
    return describe_views(decode(data, limits=LIMITS, all_views=True))


def test_photo_of_one_view_has_no_result() -> None:
    assert described(photo()) is None


def test_views_are_named() -> None:
    found = described(views.mostly_transparent())
    assert found is not None
    assert (found.state, found.reason) == (ScreenStatus.CLEAR, None)
    over = [{"frame": 0, "background": name, "part": 0} for name in ("white", "black")]
    assert found.evidence == {"frames": 1, "views": over}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (views.long_strip(), "unjudged_strip"),
        (views.of_unknown_colors(), "unjudged_color"),
    ],
)
def test_what_was_not_judged_fires(data: bytes, reason: str) -> None:
    found = described(data)
    assert found is not None
    assert (found.state, found.reason) == (ScreenStatus.FIRED, reason)


CLEAR, FIRED = negative("codes", 0.0), positive("codes", "code", 1.0, {"codes": []})
FAILED, SKIPPED = unknown("codes", "failed"), not_run("codes", "budget")


@pytest.mark.parametrize(
    ("results", "state", "view"),
    [
        ([CLEAR, FIRED, FAILED], ScreenStatus.FIRED, 1),
        ([CLEAR, SKIPPED, FAILED], ScreenStatus.UNKNOWN, 2),
        ([CLEAR, SKIPPED], ScreenStatus.NOT_RUN, 1),
        ([CLEAR, CLEAR], ScreenStatus.CLEAR, 0),
        ([FIRED, FIRED], ScreenStatus.FIRED, 0),
    ],
)
def test_weightiest_result_counts_and_names_its_view(
    results: list[ScreenResult], state: ScreenStatus, view: int
) -> None:
    [merged] = merge_outcomes([{"codes": result} for result in results], RULES).values()
    assert (merged.state, merged.evidence["view"]) == (state, view)
    assert merged.reason == results[view].reason


def test_photo_with_one_sharp_view_is_not_blurred() -> None:
    blurred, sharp = positive("sharpness", "blurred", 5.0), negative("sharpness", 80.0)
    [merged] = merge_outcomes([{"sharpness": blurred}, {"sharpness": sharp}], RULES).values()
    assert (merged.fired, merged.evidence["view"]) == (False, 1)


def test_result_of_one_view_is_unchanged() -> None:
    assert merge_outcomes([{"codes": FIRED}], RULES) == {"codes": FIRED}


def test_failure_is_not_hidden_by_another_view() -> None:
    failed = unknown("sharpness", "failed")
    [merged] = merge_outcomes(
        [{"sharpness": failed}, {"sharpness": negative("sharpness", 80.0)}], RULES
    ).values()
    assert merged.state is ScreenStatus.UNKNOWN
    [merged] = merge_outcomes([{"codes": FIRED}, {"codes": FAILED}], EVIDENCE).values()
    assert merged.state is ScreenStatus.UNKNOWN
