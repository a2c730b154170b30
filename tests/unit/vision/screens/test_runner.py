"""All screens on one photo with the real libraries: enabled, disabled and failing ones."""

import pytest
import zxingcpp
from PIL import Image

from ml.core.types import ScreenStatus
from ml.policy.screens import Screens
from ml.vision.screens.runner import Outcomes, ScreenRunner
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_code, with_text


def screened(image: Image.Image, screens: dict[str, dict[str, object]]) -> Outcomes:
    rules = Screens.model_validate({n: {"enabled": True, **keys} for n, keys in screens.items()})
    return ScreenRunner(rules).run(image)


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


def test_runner_reads_text_in_a_second_step() -> None:
    runner = ScreenRunner(Screens.model_validate({"text": {"enabled": True}}))
    banner = with_text("WeChat: lucky_mei77")
    outcome = runner.run(banner)["text"]
    assert (outcome.state, outcome.reason) == (ScreenStatus.NOT_RUN, "budget")
    assert runner.read(banner, 0.9).reason == "contact:wechat"


def test_runner_reports_unknown_for_a_picture_that_cannot_be_read() -> None:
    runner = ScreenRunner(Screens.model_validate({"text": {"enabled": True}}))
    outcome = runner.read(Image.new("RGB", (1, 0)), 0.9)
    assert (outcome.state, outcome.reason) == (ScreenStatus.UNKNOWN, "failed")


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
    outcome = ScreenRunner(rules).run(Image.new("RGB", (1, 0)))[screen]
    assert (outcome.fired, outcome.reason) == (None, "failed")


def test_runner_reduces_photos_to_the_policys_long_side() -> None:
    code = with_code("https://elsewhere.example/x")
    large = code.resize((4 * code.width, 4 * code.height), Image.Resampling.BICUBIC)
    outcome = screened(large, {"codes": {}})["codes"]
    corners = outcome.evidence["codes"][0]["box"]
    assert max(max(corner) for corner in corners) < 1280
