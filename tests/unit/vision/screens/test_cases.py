"""Small files that went wrong before: what a buyer sees of them is found."""

import os
from pathlib import Path

import pytest
from PIL import Image

from ml.policy.screens import Screens
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.runner import Outcomes, ScreenRunner
from ml.vision.screens.text.screen import NAME, is_unread, likelihood_of
from ml.vision.screens.views import merge_outcomes

CASES = Path(os.environ.get("MODERATION_CASES", Path(__file__).parents[5] / "shared" / "cases"))
pytestmark = pytest.mark.skipif(
    not (CASES / "gamma_two_faces.png").is_file(),
    reason="needs the folder of cases: MODERATION_CASES",
)
RULES = Screens.model_validate({"codes": {"enabled": True}, "text": {"enabled": True}})


def screened(name: str) -> Outcomes:
    data = (CASES / name).read_bytes()
    photo = decode(data, limits=DecodeLimits(), long_side=RULES.long_side, all_views=True)
    return merge_outcomes([_read(view.image) for view in photo.views], RULES)


def _read(image: Image.Image) -> Outcomes:
    screens = ScreenRunner(RULES)
    outcomes = screens.run(image)
    found = outcomes[NAME]
    return outcomes | (
        {NAME: screens.read(image, likelihood_of(found))} if is_unread(found) else {}
    )


def test_code_that_only_the_gamma_shows_is_found() -> None:
    assert screened("gamma_two_faces.png")["codes"].reason == "code"


def test_white_text_on_a_transparent_ground_is_read() -> None:
    found = screened("white_text_on_transparent.png")["text"]
    assert (found.reason or "").startswith("contact:")
    assert found.evidence["view"] == 1


def test_banner_with_an_orientation_in_xmp_alone_is_read_upright() -> None:
    assert screened("xmp_orientation_3.jpg")["text"].reason == "contact:wechat"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("banner_vx_number.jpg", "contact:wechat"),
        ("banner_bracket.jpg", "contact:phone"),
        ("banner_us.jpg", "contact:phone"),
    ],
)
def test_contact_details_in_spellings_of_sellers_are_recognized(name: str, reason: str) -> None:
    assert screened(name)["text"].reason == reason
