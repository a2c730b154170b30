import pytest

from ml.policy.schema import Policy
from ml.review.task_view import category_of, scores_hidden
from tests.support.policies import policy

POLICY = policy(ad=None, qr=None)
SCORES = {"normal": 0.5, "ad": 0.2, "qr": 0.3}


@pytest.mark.parametrize(
    ("reasons", "category"),
    [
        (("violation:ad",), "ad"),
        (("appeal", "block:qr"), "qr"),
        (("label_issue:normal",), "normal"),
        (("low_confidence",), "qr"),
        (("screen:ad", "violation:"), "qr"),
        ((), "qr"),
    ],
)
def test_category_is_the_class_of_a_reason_else_the_likeliest_violation(
    reasons: tuple[str, ...], category: str
) -> None:
    assert category_of(reasons, SCORES, POLICY) == category


def test_category_of_a_photo_that_a_signal_raised_is_the_class_of_its_output() -> None:
    raised = {"nsfw": {"class": "ad", "threshold": 0.8}}
    raw = POLICY.model_dump(mode="json")
    raw["screens"] = {"signals": {"nudity": {"model": "a" * 64, "raises": raised}}}
    signalling = Policy.model_validate(raw)
    assert category_of(("signal:nudity:nsfw",), SCORES, signalling) == "ad"
    assert category_of(("signal:nudity:gone",), SCORES, signalling) == "qr"


def test_without_scores_of_violations_there_is_no_category() -> None:
    assert category_of(("low_confidence",), None, POLICY) is None
    assert category_of((), {"normal": 1.0, "dropped": 0.4}, POLICY) is None


@pytest.mark.parametrize(
    ("kind", "route", "hidden"),
    [
        ("verdict", None, False),
        ("second_review", None, False),
        ("second_review", "second_review", True),
        ("verdict", "spot_check", True),
        ("verdict", "active_learning", True),
        ("blind", None, True),
        ("golden", None, True),
    ],
)
def test_blinded_tasks_hide_scores(kind: str, route: str | None, *, hidden: bool) -> None:
    reviewing = POLICY.reviewing.model_copy(update={"hide_scores_share": 0.0})
    unhidden = POLICY.model_copy(update={"reviewing": reviewing})
    assert scores_hidden(b"key", "sha", kind=kind, route=route, policy=unhidden) is hidden
