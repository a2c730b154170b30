import pytest

from ml.review.task_explanation import ShownScreenResult, screen_results


@pytest.mark.parametrize("stored", [None, {}, [], "codes", 3])
def test_no_screens(stored: object) -> None:
    assert screen_results(stored) == []


def test_screens_of_any_form_are_shown() -> None:
    stored = {
        "codes": {"fired": True, "value": 1.0, "reason": "code:qr", "evidence": {"text": "x"}},
        "sharpness": {"fired": False, "value": 120.5},
        "ocr": {"fired": "yes", "reason": 7, "seconds": 2},
        "grey": 0.4,
    }
    assert screen_results(stored) == [
        ShownScreenResult("codes", fired=True, value=1.0, reason="code:qr", evidence={"text": "x"}),
        ShownScreenResult("grey", value=0.4),
        ShownScreenResult("ocr", reason="7"),
        ShownScreenResult("sharpness", fired=False, value=120.5),
    ]
