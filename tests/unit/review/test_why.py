import pytest

from ml.review.why import ScreenSaid, screens_said


@pytest.mark.parametrize("stored", [None, {}, [], "codes", 3])
def test_no_screens(stored: object) -> None:
    assert screens_said(stored) == []


def test_screens_of_any_form_are_shown() -> None:
    stored = {
        "codes": {"fired": True, "value": 1.0, "reason": "code:qr", "evidence": {"text": "x"}},
        "sharpness": {"fired": False, "value": 120.5},
        "ocr": {"fired": "yes", "reason": 7, "seconds": 2},
        "grey": 0.4,
    }
    assert screens_said(stored) == [
        ScreenSaid("codes", fired=True, value=1.0, reason="code:qr", evidence={"text": "x"}),
        ScreenSaid("grey", value=0.4),
        ScreenSaid("ocr", reason="7"),
        ScreenSaid("sharpness", fired=False, value=120.5),
    ]
