"""The study of fits: marks are where they should be, and scores are of the worst square."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.crops import CROP, FITS, pad
from benchmarks.crops_photos import ASPECTS, KINDS, POSITIONS, make_photos
from benchmarks.crops_scores import Rows, compare, detect, score_out_of_fold


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, rng = tmp_path_factory.mktemp("bases"), np.random.default_rng(0)
    found = [folder / f"{number}.png" for number in range(len(ASPECTS) * len(POSITIONS) * 4)]
    for path in found:
        coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 80), Image.Resampling.BICUBIC).save(path)
    return found


def test_marks_are_near_their_edge_and_twins_have_none(bases: list[Path], tmp_path: Path) -> None:
    made = list(make_photos(bases, tmp_path, of_each=len(KINDS)))
    assert len({photo.base for photo in made}) == len(made) // 2 == len(bases)
    for twin, marked in zip(made[::2], made[1::2], strict=True):
        assert (twin.kind, twin.base, twin.aspect) == ("", marked.base, marked.aspect)
        plain, drawn = (np.asarray(Image.open(p.path), dtype=int) for p in (twin, marked))
        wide, high = ASPECTS[marked.aspect]
        assert min(plain.shape[:2]) == 360
        assert plain.shape[1] / plain.shape[0] == pytest.approx(wide / high, abs=0.01)
        changed = np.argwhere(np.abs(plain - drawn).max(axis=2) > 60)
        rows, columns = changed[:, 0], changed[:, 1]
        height, width = plain.shape[:2]
        distance = {
            "top": rows.min(),
            "bottom": height - 1 - rows.max(),
            "left": columns.min(),
            "right": width - 1 - columns.max(),
            "center": abs((rows.min() + rows.max()) // 2 - height // 2),
        }[marked.position]
        assert distance <= 30, (marked, distance)


def test_only_the_center_crop_leaves_the_foot_of_a_tall_photo_out() -> None:
    tall = Image.new("RGB", (90, 160))
    tall.paste((255, 255, 255), (0, 150, 90, 160))
    seen = {name: max(int(square.max()) for square in fit(tall)) for name, fit in FITS.items()}
    assert seen.pop("center crop") == 0
    assert min(seen["squash"], seen["two crops"], seen["squash, 160 px"]) == 255


def test_pad_shows_the_whole_photo_between_gray_bars() -> None:
    [square] = pad(Image.new("RGB", (60, 120), (255, 0, 0)))
    assert square.shape == (3, CROP.crop, CROP.crop)
    assert square[:, 0, 64].tolist() == square[:, -1, 64].tolist() == [255, 0, 0]
    assert square[:, 64, 0].tolist() == [124, 116, 104]


def test_score_is_that_of_the_worst_square_and_heads_are_fitted_to_it() -> None:
    """Violations show in one of two squares; the other one looks like a normal photo."""
    rng = np.random.default_rng(1)
    targets = np.arange(60) % 2
    owners = np.repeat(np.arange(60), 2)
    features = rng.normal(size=(120, 4)).astype(np.float32)
    shows = (targets[owners] == 1) & (np.arange(120) % 2 == 0)
    features[shows, 0] += 8
    scores = score_out_of_fold(Rows(features, owners), targets, np.arange(60) // 10)
    assert detect(scores, targets == 0)[targets == 1].all()
    alone = score_out_of_fold(Rows(features[1::2], np.arange(60)), targets, np.arange(60) // 10)
    assert detect(alone, targets == 0)[targets == 1].mean() < 0.5


def test_detected_is_what_exceeds_the_score_of_a_twentieth_of_the_normal_photos() -> None:
    normal = np.arange(120) < 100
    scores = np.arange(120, dtype=float)
    scores[100:] = np.linspace(85.5, 104.5, 20)
    found = detect(scores, normal)
    assert found[normal].sum() == 5
    assert found[~normal].sum() == 11


def test_difference_of_pairs_has_a_narrower_interval_than_that_of_independent_ones() -> None:
    reference = np.repeat([0.0, 1.0], 50)
    better = reference.copy()
    better[:10] = 1.0
    mean, half = compare(better, reference)
    assert mean == pytest.approx(0.1)
    assert half == pytest.approx(1.96 * 0.3 / 10)
