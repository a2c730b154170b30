"""Finder patterns: found at any angle and in any style; other rings and squares are not."""

import cv2
import numpy as np
import pytest

from benchmarks.codes_symbols import Look, draw_symbol, make_matrix
from ml.vision.images.grayscale import Gray
from ml.vision.screens.finder_patterns import (
    MAX_PATTERNS,
    FinderPattern,
    bound_code,
    find_finder_patterns,
)


def symbol(look: Look | None = None, *, turn: float = 0.0) -> Gray:
    """A QR code of 25 modules, rotated by degrees, on gray."""
    _, matrix = make_matrix(np.random.default_rng(1), 2, "m")
    drawn = cv2.cvtColor(draw_symbol(matrix, look or Look()), cv2.COLOR_RGB2GRAY)
    height, width = drawn.shape
    rotation = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 0.6)
    turned = cv2.warpAffine(drawn, rotation, (width, height), borderValue=(128,))
    return np.asarray(turned, dtype=np.uint8)


@pytest.mark.parametrize("turn", [0, 17, 45, 90, 180])
def test_finder_patterns_are_found_at_any_angle(turn: float) -> None:
    assert len(find_finder_patterns(symbol(turn=turn))) == 3


@pytest.mark.parametrize(
    "look",
    [
        Look(modules="dot", finders="square"),
        Look(modules="dot", finders="rounded"),
        Look(modules="dot", finders="circle"),
        Look(dark=(240, 240, 240), light=(30, 30, 90)),
        Look(dark=(150, 30, 30), light=(250, 230, 180)),
    ],
)
def test_finder_patterns_of_any_style_are_found(look: Look) -> None:
    assert len(find_finder_patterns(symbol(look))) == 3


def test_positions_are_those_of_the_picture_before_it_was_enlarged() -> None:
    small = symbol()
    large = np.asarray(cv2.resize(small, None, fx=2.0, fy=2.0), dtype=np.uint8)
    found, expected = (
        np.array(sorted((round(p.y, -1), p.x, p.side) for p in patterns))
        for patterns in (find_finder_patterns(large, scale=2.0), find_finder_patterns(small))
    )
    assert found == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("shape", ["plain", "disks", "rings", "letters", "noise", "回"])
def test_other_shapes_are_no_finder_patterns(shape: str) -> None:
    picture = np.full((300, 300), 230, dtype=np.uint8)
    if shape == "disks":
        cv2.circle(picture, (100, 100), 30, 20, -1)
    if shape == "rings":
        cv2.circle(picture, (100, 100), 30, 20, 6)
    if shape == "letters":
        cv2.putText(picture, "BOOK @", (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 20, 4)
    if shape == "noise":
        picture = np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)
    if shape == "回":  # strokes of 3 pixels
        for left in (20, 90, 160):
            for inset in (0, 15):
                corners = (left + inset, 100 + inset), (left + 50 - inset, 150 - inset)
                cv2.rectangle(picture, *corners, 20, 3)
    assert bound_code(find_finder_patterns(picture)) is None


def test_print_of_many_rings_has_no_finder_patterns() -> None:
    print_of_rings = np.full((600, 600), 230, dtype=np.uint8)
    centers = [(x, y) for x in range(50, 600, 90) for y in range(50, 600, 90)]
    for center in centers:
        for radius, value in ((35, 20), (25, 230), (15, 20)):
            cv2.circle(print_of_rings, center, radius, value, -1)
    assert len(centers) > MAX_PATTERNS
    assert find_finder_patterns(print_of_rings) == []


def test_code_is_bounded_by_two_patterns_of_one_size() -> None:
    box = bound_code([FinderPattern(10, 10, 6), FinderPattern(70, 12, 6.5)])
    assert box is not None
    assert box[0] == pytest.approx((10 - 7.6, 10 - 7.6), abs=1)
    assert box[2] == pytest.approx((70 + 7.6, 12 + 7.6), abs=1)


@pytest.mark.parametrize(
    "other",
    [FinderPattern(20, 10, 6), FinderPattern(70, 10, 12), FinderPattern(600, 10, 6)],
    ids=["too near", "of another size", "too far"],
)
def test_unlike_patterns_are_no_code(other: FinderPattern) -> None:
    assert bound_code([FinderPattern(10, 10, 6), other]) is None
