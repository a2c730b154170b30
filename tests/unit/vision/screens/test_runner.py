"""All screens on one photo with the real libraries: enabled, disabled and failing ones."""

import math

import pytest
import zxingcpp
from PIL import Image

from ml.core.budget import Budget
from ml.core.types import DecidedPhoto, ScreenStatus
from ml.policy.screens import Screens
from ml.vision.images.fingerprint import perceptual_hash
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.runner import Outcomes, ScreenRunner
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_code, with_text

NOBODY = DuplicateIndex([])


def screened(
    image: Image.Image, screens: dict[str, dict[str, object]], decided: DuplicateIndex = NOBODY
) -> Outcomes:
    """The results, with an unlimited OCR budget unless the policy gives it no share."""
    rules = Screens.model_validate({n: {"enabled": True, **keys} for n, keys in screens.items()})
    budget = Budget(math.inf) if rules.text.budget_share else None
    return ScreenRunner(rules, decided, budget=budget).run(image, *perceptual_hash(image))


def test_runner_runs_enabled_screens_only() -> None:
    assert screened(photo(640, 480), {}) == {}
    assert list(screened(photo(640, 480), {"sharpness": {}})) == ["sharpness"]


def test_runner_returns_the_result_of_each_screen() -> None:
    code = with_code("https://elsewhere.example/x")
    blurred = Image.new("RGB", (400, 300), (120, 130, 140))
    assert screened(code, {"codes": {}})["codes"].reason == "code"
    allowed = {"codes": {"allowed": [r"https://elsewhere\.example/.*"]}}
    assert screened(code, allowed)["codes"].fired is False
    assert screened(blurred, {"sharpness": {}})["sharpness"].reason == "blurred"
    assert screened(blurred, {"sharpness": {"threshold": 0}})["sharpness"].fired is False


def test_runner_skips_the_duplicate_search_for_pages_of_text() -> None:
    page = with_text(*["the parcel never arrived and", "I want my money back now"] * 4, size=30)
    pdq, quality = perceptual_hash(page)
    bank = DuplicateIndex([DecidedPhoto("a" * 64, pdq, quality, blocked=True)])
    alone = screened(page, {"duplicates": {}}, bank)
    assert alone["duplicates"].reason == "near_duplicate_blocked"
    read = screened(page, {"duplicates": {}, "text": {"budget_share": 1.0}}, bank)
    assert read["text"].reason == "text_dominated"
    assert read["duplicates"].evidence == {"dense_text": True}


def test_runner_without_ocr_budget_reports_not_run() -> None:
    outcome = screened(with_text("WeChat: lucky_mei77"), {"text": {"budget_share": 0.0}})["text"]
    assert (outcome.state, outcome.reason) == (ScreenStatus.NOT_RUN, "budget")


def test_runner_reads_no_photo_that_a_code_sends_to_review() -> None:
    code = with_code("https://elsewhere.example/x")
    outcomes = screened(code, {"codes": {}, "text": {}})
    assert (outcomes["text"].state, outcomes["text"].reason) == (
        ScreenStatus.NOT_RUN,
        "sent_by_code",
    )
    for rules in (
        {"codes": {"allowed": [r"https://elsewhere\.example/.*"]}, "text": {}},
        {"codes": {"action": "evidence"}, "text": {}},
    ):
        assert screened(code, rules)["text"].state is not ScreenStatus.NOT_RUN


@pytest.mark.parametrize("error", [TimeoutError("too late"), MemoryError(), KeyError("x")])
def test_runner_reports_unknown_for_a_screen_that_raises(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(zxingcpp, "read_barcodes", broken)
    outcomes = screened(photo(640, 480), {"codes": {}, "sharpness": {}})
    assert outcomes["codes"].state is ScreenStatus.UNKNOWN
    assert outcomes["codes"].evidence["error"].startswith(type(error).__name__)
    assert outcomes["sharpness"].fired is not None


@pytest.mark.parametrize("screen", ["codes", "sharpness", "text"])
def test_runner_reports_unknown_for_an_empty_picture(screen: str) -> None:
    rules = Screens.model_validate({screen: {"enabled": True}})
    runner = ScreenRunner(rules, NOBODY, budget=Budget(math.inf))
    outcome = runner.run(Image.new("RGB", (1, 0)), "0" * 64, 100)[screen]
    assert (outcome.fired, outcome.reason) == (None, "failed")


def test_runner_reduces_photos_to_the_policys_long_side() -> None:
    code = with_code("https://elsewhere.example/x")
    large = code.resize((4 * code.width, 4 * code.height), Image.Resampling.BICUBIC)
    outcome = screened(large, {"codes": {}})["codes"]
    corners = outcome.evidence["codes"][0]["box"]
    assert max(max(corner) for corner in corners) < 1280
