"""All screens on one photo: each on or off, each guarded. The real libraries look."""

import pytest
import zxingcpp
from PIL import Image

from ml.images.fingerprint import perceptual_hash
from ml.policy.screening import Screens
from ml.screens.duplicates import Decided, DecidedPhotos
from ml.screens.outcome import State
from ml.screens.screening import Outcomes, Screening
from tests.unit.images.pictures import photo
from tests.unit.screens.conftest import with_code, with_text

NOBODY = DecidedPhotos([])


def screened(
    image: Image.Image, screens: dict[str, dict[str, object]], decided: DecidedPhotos = NOBODY
) -> Outcomes:
    rules = Screens.model_validate({n: {"enabled": True, **keys} for n, keys in screens.items()})
    return Screening(rules, decided, workers=10_000).run(image, *perceptual_hash(image))


def test_only_what_is_on_runs() -> None:
    assert screened(photo(640, 480), {}) == {}
    assert list(screened(photo(640, 480), {"sharpness": {}})) == ["sharpness"]


def test_each_screen_says_its_own() -> None:
    code = with_code("https://elsewhere.example/x")
    blurred = Image.new("RGB", (400, 300), (120, 130, 140))
    assert screened(code, {"codes": {}})["codes"].reason == "code"
    allowed = {"codes": {"allowed": [r"https://elsewhere\.example/.*"]}}
    assert screened(code, allowed)["codes"].fired is False
    assert screened(blurred, {"sharpness": {}})["sharpness"].reason == "blurred"
    assert screened(blurred, {"sharpness": {"cut_off": 0}})["sharpness"].fired is False


def test_a_known_photo_is_found_unless_it_is_a_page_of_text() -> None:
    page = with_text(*["the parcel never arrived and", "I want my money back now"] * 4, size=30)
    pdq, quality = perceptual_hash(page)
    bank = DecidedPhotos([Decided("a" * 64, pdq, quality, blocked=True)])
    alone = screened(page, {"duplicates": {}}, bank)
    assert alone["duplicates"].reason == "near_duplicate_blocked"
    read = screened(page, {"duplicates": {}, "text": {"budget_share": 1.0}}, bank)
    assert read["text"].reason == "text_dominated"
    assert read["duplicates"].evidence == {"dense_text": True}


def test_without_a_budget_nothing_is_read_and_that_is_said() -> None:
    outcome = screened(with_text("WeChat: lucky_mei77"), {"text": {"budget_share": 0.0}})["text"]
    assert (outcome.state, outcome.reason) == (State.NOT_RUN, "budget")


def test_a_photo_that_a_code_sends_to_a_person_is_not_read() -> None:
    code = with_code("https://elsewhere.example/x")
    outcomes = screened(code, {"codes": {}, "text": {}})
    assert (outcomes["text"].state, outcomes["text"].reason) == (State.NOT_RUN, "sent_by_code")
    for rules in (
        {"codes": {"allowed": [r"https://elsewhere\.example/.*"]}, "text": {}},
        {"codes": {"action": "evidence"}, "text": {}},
    ):
        assert screened(code, rules)["text"].state is not State.NOT_RUN


@pytest.mark.parametrize("error", [TimeoutError("too late"), MemoryError(), KeyError("x")])
def test_a_screen_that_raises_is_unknown_and_the_others_run(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(zxingcpp, "read_barcodes", broken)
    outcomes = screened(photo(640, 480), {"codes": {}, "sharpness": {}})
    assert outcomes["codes"].state is State.UNKNOWN
    assert outcomes["codes"].evidence["error"].startswith(type(error).__name__)
    assert outcomes["sharpness"].fired is not None


def test_a_large_photo_is_looked_at_in_the_size_of_the_policy() -> None:
    code = with_code("https://elsewhere.example/x")
    large = code.resize((4 * code.width, 4 * code.height), Image.Resampling.BICUBIC)
    outcome = screened(large, {"codes": {}})["codes"]
    corners = outcome.evidence["codes"][0]["box"]
    assert max(max(corner) for corner in corners) < 1280
