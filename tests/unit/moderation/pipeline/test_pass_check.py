"""Text is worth reading only of photos that pass by all else, and that no reviewer decided."""

from collections.abc import Collection, Mapping

import pytest

from ml.core.types import (
    ImageContent,
    PendingImage,
    Scored,
    ScreenResult,
    negative,
    not_run,
    positive,
    unknown,
)
from ml.moderation.pipeline.pass_check import PassCheck
from ml.policy.schema import Policy
from ml.storage.decided_photos import EarlierDecision
from tests.support.policies import policy

UNREAD = not_run("text", "budget", {"likelihood": 0.9})
CODE = positive("codes", "code")


def rule(**screens: dict[str, object]) -> Policy:
    keys = {name: {"enabled": True, **screens.get(name, {})} for name in ("codes", "text")}
    keys["duplicates"] = {"enabled": True, "allow_when_failed": True}
    raw = policy(violate=0.95).model_dump(mode="json")
    return Policy.model_validate({**raw, "screens": keys})


def scored(violation: float = 0.0, number: int = 0, **screens: ScreenResult) -> Scored:
    clear = {name: negative(name) for name in ("codes", "duplicates")}
    content = ImageContent(f"{number:064x}", "0" * 64, 90, 10, 10)
    scores = {"normal": 1 - violation, "violate": violation}
    return Scored(
        PendingImage(str(number), "", 1), content, scores, None, clear | {"text": UNREAD} | screens
    )


@pytest.mark.parametrize(
    ("photo", "screens", "passes"),
    [
        (scored(), {}, True),
        (scored(0.4), {}, False),
        (scored(0.8), {}, False),
        (scored(0.99), {}, False),
        (scored(codes=CODE), {}, False),
        (scored(codes=CODE), {"codes": {"action": "evidence"}}, True),
        (scored(codes=unknown("codes", "failed")), {}, False),
        (scored(codes=unknown("codes", "failed")), {"codes": {"allow_when_failed": True}}, True),
        (scored(), {"text": {"allow_when_skipped": False}}, True),
        (scored(), {"text": {"action": "evidence"}}, True),
        (scored(text=unknown("text", "failed")), {}, False),
        (scored(text=unknown("text", "failed")), {"text": {"allow_when_failed": True}}, True),
    ],
)
def test_photo_is_read_if_it_passes_otherwise(
    photo: Scored, screens: dict[str, dict[str, object]], *, passes: bool
) -> None:
    assert PassCheck(rule(**screens), 0.7).needs_text([photo]) == [passes]


def test_photo_that_reviewers_decided_is_not_read() -> None:
    asked: list[Collection[str]] = []

    def load(contents: Collection[str]) -> Mapping[str, EarlierDecision]:
        asked.append(contents)
        return {
            photos[0].content.sha256: EarlierDecision("normal", 1),
            photos[1].content.sha256: EarlierDecision("violate", 2),
            photos[2].content.sha256: EarlierDecision("unknown class", 3),
        }

    photos = [*(scored(number=n) for n in range(4)), scored(0.9, number=4)]
    check = PassCheck(rule(text={"allow_when_skipped": False}), 0.7, load)
    assert check.needs_text(photos) == [False, False, True, True, False]
    assert asked == [{photo.content.sha256 for photo in photos[:4]}]


def test_decisions_are_not_loaded_where_the_policy_does_not_reuse_them() -> None:
    def load(_contents: Collection[str]) -> Mapping[str, EarlierDecision]:
        raise AssertionError

    check = PassCheck(rule(), 0.7, load)
    own = check.policy.model_dump(mode="json")
    own["screens"]["duplicates"]["reuse_decisions"] = False
    assert PassCheck(Policy.model_validate(own), 0.7, load).needs_text([scored()]) == [True]
    assert check.needs_text([scored(0.9)]) == [False]
    assert check.needs_text([]) == []
