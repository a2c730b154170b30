import pytest
from pydantic import ValidationError

from ml.review.preferences import Preferences


@pytest.mark.parametrize(
    "wrong",
    [
        {"blur": "sometimes"}, {"batch": 5}, {"batch": 49}, {"order": "newest"},
        {"grey": "perhaps"}, {"theme": "dark"},
    ],
)  # fmt: skip
def test_what_no_page_can_show_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preferences.model_validate(wrong)


def test_the_defaults_follow_the_policy() -> None:
    assert Preferences().model_dump() == {
        "blur": "policy",
        "grey": False,
        "order": None,
        "batch": 12,
    }
