"""The page of a version that was trained on a folder: what a first hour needs to know."""

import re
from pathlib import Path

import numpy as np
import pytest

from ml.learning.report.training_page import MAX_WRONG, describe, write_training_page
from ml.models.evaluation.calibration import solve_threshold
from ml.models.evaluation.held_out_labels import hold_out
from ml.models.training.image_folder import Photo
from ml.models.training.train import TrainedVersion
from ml.vision.images.open_photo import DecodeLimits
from tests.support.champion import make_champion
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.policies import policy

POLICY = policy(violate=None)
BOUND = POLICY.retraining.leak_bound
EVIL = "violate/<script>alert(1)</script>.jpg"


def _version(folder: Path, photos: int, *, wrong: int = 3, leaks: float = 0.0) -> TrainedVersion:
    """Half normal, half violations; the scores of the first `wrong` of each contradict them."""
    rng = np.random.default_rng(0)
    truth = np.arange(photos) % 2 == 1
    scores = np.where(truth, 0.95, rng.uniform(0.005, 0.3, photos))
    scores[: 2 * wrong] = 1.0 - scores[: 2 * wrong]
    truth[2 * wrong :] |= rng.random(photos - 2 * wrong) < leaks
    labels = hold_out(scores, truth, np.ones(photos))
    thresholds = solve_threshold(
        labels, rate=BOUND.rate, confidence=BOUND.confidence, default=POLICY.pass_confidence
    )
    card = make_champion(folder / "version").model_copy(
        update={"thresholds": thresholds, "training_images": photos}
    )
    files = tuple(_file(folder, number, violation=bool(truth[number])) for number in range(photos))
    return TrainedVersion(card, labels, files, is_share_assumed=False)


def _file(folder: Path, number: int, *, violation: bool) -> Photo:
    path = folder / f"{number}.jpg"
    if number < 2:
        path.write_bytes(photo(DARK if violation else BRIGHT, seed=number))
    label = "violate" if violation else "normal"
    return Photo(path, EVIL if number == 1 else f"{label}/{number}.jpg", label)


def _page(version: TrainedVersion, folder: Path) -> str:
    path = write_training_page(version, folder, policy=POLICY, limits=DecodeLimits())
    return path.read_text(encoding="utf-8")


def test_page_shows_threshold_curve_and_the_most_wrong_photos(tmp_path: Path) -> None:
    version = _version(tmp_path, 1000)
    page = _page(version, tmp_path)
    assert "Bound met" in page
    assert len(re.findall(r"<figcaption><b>", page)) == 6
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    # Two of the files are there; the others were deleted since.
    assert page.count("data:image/jpeg") == 2
    assert page.count("data:image/png") == 1
    assert not re.search(r"https?:", page)


def test_wrong_photos_are_sorted_and_bounded(tmp_path: Path) -> None:
    version = _version(tmp_path, 200, wrong=40)
    page = _page(version, tmp_path)
    shown = [float(n) for n in re.findall(r"违规概率 ([\d.]+)", page)]
    labels = re.findall(r"<figcaption><b>(\w+)", page)
    errors = [100 - n if label == "violate" else n for n, label in zip(shown, labels, strict=True)]
    assert len(errors) == MAX_WRONG
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("photos", "leaks", "state", "needs"),
    [
        (1000, 0.0, "Bound met", False),
        (120, 0.0, "Bound not proven", True),
        (1000, 0.2, "Bound not met", False),
        (20, 0.0, "Bound not proven", False),
    ],
)
def test_state_of_the_bound_says_what_is_missing(
    tmp_path: Path,
    photos: int,
    leaks: float,
    state: str,
    needs: bool,
) -> None:
    version = _version(tmp_path, photos, wrong=0, leaks=leaks)
    page = _page(version, tmp_path)
    assert state in page
    assert ("labels like these would prove it" in page) == needs
    assert ("At every threshold these labels leak more" in page) == (state == "Bound not met")
    too_few = photos == 20
    assert ("labels are too few to say" in page) == too_few
    lines = describe(version, POLICY)
    assert ("too few to say" in lines[2]) == too_few
    assert version.card.thresholds.source in lines[0]
    assert state.lower() in lines[2]


def test_share_of_violations_is_named_with_its_origin(tmp_path: Path) -> None:
    version = _version(tmp_path, 200)
    assert "50.0 %" in _page(version, tmp_path).replace("50.0%", "50.0 %")
    assert "--violation-share" in _page(version, tmp_path)
