"""Small files that went wrong before: what a buyer sees of them is found."""

import os
from pathlib import Path

import pytest

from ml.policy.screens import Screens
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.runner import Outcomes, ScreenRunner
from ml.vision.screens.text.gate import OcrCost
from ml.vision.screens.views import merge_outcomes

CASES = Path(os.environ.get("MODERATION_CASES", Path(__file__).parents[5] / "shared" / "cases"))
pytestmark = pytest.mark.skipif(
    not (CASES / "gamma_two_faces.png").is_file(),
    reason="needs the folder of cases: MODERATION_CASES",
)
RULES = Screens.model_validate({"codes": {"enabled": True}, "text": {"enabled": True}})


class _ReadsAll:
    """Admits every text."""

    def admits(self, likelihood: float) -> bool:  # noqa: ARG002 - all
        return True

    def add_cost(self, cost: OcrCost) -> None:
        """Nothing is charged."""


def screened(name: str) -> Outcomes:
    data = (CASES / name).read_bytes()
    photo = decode(data, limits=DecodeLimits(), long_side=RULES.long_side, all_views=True)
    screens = ScreenRunner(RULES)
    return merge_outcomes([screens.run(view.image, _ReadsAll()) for view in photo.views], RULES)


def test_code_that_only_the_gamma_shows_is_found() -> None:
    assert screened("gamma_two_faces.png")["codes"].reason == "code"


def test_white_text_on_a_transparent_ground_is_read() -> None:
    found = screened("white_text_on_transparent.png")["text"]
    assert (found.reason or "").startswith("contact:")
    assert found.evidence["view"] == 1


def test_banner_with_an_orientation_in_xmp_alone_is_read_upright() -> None:
    assert screened("xmp_orientation_3.jpg")["text"].reason == "contact:wechat"
