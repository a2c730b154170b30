"""The facts of a scored file: decision, reasons, frames and the view that counts."""

import pytest

from ml.core.errors import ImageRejected, QuarantineReason, StorageError
from ml.core.types import (
    Evidence,
    ImageContent,
    NotFetched,
    Outcome,
    PendingImage,
    RejectedImage,
    Scored,
    ScreenResult,
    negative,
    positive,
)
from ml.moderation.local_files.scored_file import ScoredFile
from ml.policy.verdict import Decision, Verdict

IMAGE = PendingImage("a.gif", "", 1)
VIEWS: Evidence = {
    "frames": 40,
    "views": [
        {"frame": 0, "background": "white", "part": 0},
        {"frame": 20, "background": "black", "part": 0},
    ],
    "worst": 1,
}


def scored(*screens: ScreenResult) -> ScoredFile:
    """A passed photo with these results."""
    outcome = Scored(
        IMAGE,
        ImageContent("a" * 64, "0" * 64, 100, 30, 20),
        {"normal": 0.9, "violate": 0.1},
        screens={result.name: result for result in screens},
    )
    return ScoredFile("a.gif", outcome, Verdict(Decision.PASS, ("confident_normal",), 0.1), {})


def test_photo_with_one_view_has_one_frame() -> None:
    found = scored(negative("sharpness", 100.0))
    assert (found.frames, found.worst_view) == (1, None)


@pytest.mark.parametrize(
    "views", [negative("views", None, VIEWS), positive("views", "unjudged_frames", None, VIEWS)]
)
def test_photo_with_several_views_names_the_worst(views: ScreenResult) -> None:
    found = scored(views)
    assert found.frames == found.to_json()["frames"] == 40
    assert found.worst_view == {"frame": 20, "background": "black", "part": 0}


@pytest.mark.parametrize(
    ("outcome", "decision", "reasons", "detail", "sha256"),
    [
        (
            RejectedImage(IMAGE, "b" * 64, ImageRejected(QuarantineReason.TRUNCATED, "cut off")),
            *("quarantine", ("truncated",), "cut off", "b" * 64),
        ),
        (NotFetched(IMAGE, StorageError("denied")), "unreadable", (), "denied", None),
    ],
)
def test_file_without_a_verdict_says_why(
    outcome: Outcome, decision: str, reasons: tuple[str, ...], detail: str, sha256: str | None
) -> None:
    found = ScoredFile("a.gif", outcome, None, {})
    assert (found.decision, found.reasons, found.detail) == (decision, reasons, detail)
    assert (found.frames, found.worst_view) == (None, None)
    assert found.to_json()["content_sha256"] == sha256
    assert found.to_json().keys() == scored().to_json().keys()
