"""Samples of the text gate are deterministic, and their cells match the drawn text."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devtools.text_gate import overlays
from devtools.text_gate.samples import generate_samples, is_trained_on, make_sample
from ml.vision.screens.text.gate import SHORT_SIDE, STRIDE
from tests.unit.vision.images.pictures import photo

FLAT = (120, 130, 140)


def goods(folder: Path) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        photo(160, 120 + 40 * number, seed=number).save(path)
    return paths


def test_generate_samples_is_deterministic_for_a_seed(tmp_path: Path) -> None:
    first, again, other = (
        list(generate_samples(goods(tmp_path), range(4), seed)) for seed in (1, 1, 2)
    )
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.grey, two.grey)
        assert np.array_equal(one.cells, two.cells)
    assert any(
        not np.array_equal(one.grey, two.grey) for one, two in zip(first, other, strict=True)
    )


def test_samples_are_square_with_and_without_text(tmp_path: Path) -> None:
    drawn = list(generate_samples(goods(tmp_path), range(24), 3))
    side = SHORT_SIDE // STRIDE
    assert {s.grey.shape for s in drawn} == {(SHORT_SIDE, SHORT_SIDE)}
    assert {s.cells.shape for s in drawn} == {(side, side)}
    assert {bool(s.cells.any()) for s in drawn} == {True, False}


@pytest.mark.parametrize(
    "way",
    [
        overlays.draw_banner,
        overlays.draw_lines,
        overlays.draw_watermark,
        overlays.draw_tiled_watermark,
        overlays.draw_page,
        overlays.draw_photographed_page,
        overlays.draw_flyer,
    ],
    ids=lambda way: way.__name__,
)
def test_overlay_is_marked_in_the_mask(way: overlays.Overlay) -> None:
    changed, marked = [], []
    for seed in range(8):
        canvas = overlays.Canvas(Image.new("RGB", (480, 640), FLAT), Image.new("L", (480, 640)))
        way(np.random.default_rng(seed), canvas)
        differs = (np.asarray(canvas.photo) != np.array(FLAT)).any(axis=2)
        mask = np.asarray(canvas.mask) > 0
        changed.append(differs.mean())
        marked.append(differs[mask].mean() if mask.any() else 0.0)
    # Masked pixels have changed, except the holes and surroundings of letters.
    assert np.mean(changed) > 0
    assert np.median(marked) > 0.2


def test_sample_without_text_has_no_text_cells() -> None:
    plain = next(
        found
        for seed in range(20)
        if not (found := make_sample(np.random.default_rng(seed), photo(160, 120))).cells.any()
    )
    assert plain.grey.std() > 0


def test_half_of_the_photos_is_kept_for_measuring() -> None:
    kept = [is_trained_on(Path(f"{number}.jpg")) for number in range(400)]
    assert 0.4 < np.mean(kept) < 0.6
    assert kept == [is_trained_on(Path(f"elsewhere/{number}.jpg")) for number in range(400)]
