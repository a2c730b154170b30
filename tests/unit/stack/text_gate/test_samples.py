"""Samples of the text gate: the same ones again, and cells that lie where the letters are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.screens.text_gate import SHORT_SIDE, STRIDE
from stack.text_gate import overlays
from stack.text_gate.samples import sample, samples
from tests.unit.images.pictures import photo

FLAT = (120, 130, 140)


def goods(folder: Path) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        photo(160, 120 + 40 * number, seed=number).save(path)
    return paths


def test_the_same_seed_draws_the_same_and_another_one_does_not(tmp_path: Path) -> None:
    first, again, other = (list(samples(goods(tmp_path), 4, seed)) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.grey, two.grey)
        assert np.array_equal(one.cells, two.cells)
    assert any(
        not np.array_equal(one.grey, two.grey) for one, two in zip(first, other, strict=True)
    )


def test_a_sample_is_a_square_and_some_have_text_and_some_have_none(tmp_path: Path) -> None:
    drawn = list(samples(goods(tmp_path), 24, 3))
    side = SHORT_SIDE // STRIDE
    assert {s.grey.shape for s in drawn} == {(SHORT_SIDE, SHORT_SIDE)}
    assert {s.cells.shape for s in drawn} == {(side, side)}
    assert {bool(s.cells.any()) for s in drawn} == {True, False}


@pytest.mark.parametrize(
    "way",
    [overlays.banner, overlays.shouted, overlays.mark, overlays.tiled, overlays.page],
    ids=lambda way: way.__name__,
)
def test_what_is_drawn_stands_in_the_mask(way: overlays.Way) -> None:
    changed, marked = [], []
    for seed in range(8):
        canvas = overlays.Canvas(Image.new("RGB", (480, 640), FLAT), Image.new("L", (480, 640)))
        way(np.random.default_rng(seed), canvas)
        differs = (np.asarray(canvas.photo) != np.array(FLAT)).any(axis=2)
        mask = np.asarray(canvas.mask) > 0
        changed.append(differs.mean())
        marked.append(differs[mask].mean() if mask.any() else 0.0)
    # Where the mask says text, pixels have changed; a letter's holes and its surroundings have not.
    assert np.mean(changed) > 0
    assert np.median(marked) > 0.2


def test_a_photo_without_text_has_no_cells() -> None:
    plain = next(
        found
        for seed in range(20)
        if not (found := sample(np.random.default_rng(seed), photo(160, 120))).cells.any()
    )
    assert plain.grey.std() > 0
