"""Renditions: codes that one search does not find, photo by photo of each kind; bounded work."""

import time
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.codes_photos import code_photos
from ml.vision.images.decode import decode
from ml.vision.images.grayscale import Gray, limit_long_side
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.barcodes import SecondPass, read_codes, screen_codes
from ml.vision.screens.code_renditions import (
    MAX_REGIONS,
    RENDITIONS,
    find_code_regions,
    search_renditions,
)
from ml.vision.screens.code_search import Code
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_code

EACH = 8
# Kind: photos of EACH that must fire. What is missing is too small, too dark, or hidden by glare.
MIN_FIRED = {
    "cup": 7,
    "creased": 7,
    "motion": 7,
    "defocused": 6,
    "shadow": 7,
    "dots": 8,
    "rounded finders": 8,
    "dotted finders": 7,
    "colored": 7,
    "mirrored": 8,
    "inverted": 8,
    "glare": 5,
}


@cache
def pictures_of(kind: str) -> list[Gray]:
    backgrounds = [photo(400, 500, seed=n) for n in range(3)]
    limits = DecodeLimits()
    made = [code.data for code in code_photos("choose", EACH, backgrounds, [kind])]
    return [limit_long_side(decode(d, limits=limits, long_side=800).image, 800) for d in made]


@pytest.mark.parametrize("kind", MIN_FIRED)
def test_codes_of_each_kind_fire(kind: str) -> None:
    fired = [screen_codes(picture).fired for picture in pictures_of(kind)]
    assert sum(map(bool, fired)) >= MIN_FIRED[kind]


def test_renditions_find_codes_that_one_search_misses() -> None:
    pictures = [p for kind in ("dotted finders", "shadow", "cup") for p in pictures_of(kind)]
    once = sum(bool(screen_codes(p, second_pass=SecondPass.NEVER).fired) for p in pictures)
    again = [read_codes(p) for p in pictures]
    assert sum(map(bool, again)) >= once + 3
    used = {code.rendition for codes in again for code in codes}
    assert used - {"plain", "half"} <= {*RENDITIONS, "finder_patterns"}
    assert used & set(RENDITIONS)


@pytest.mark.parametrize("seed", range(5))
def test_code_without_one_finder_pattern_is_unreadable(seed: int) -> None:
    torn = with_code("https://lucky-mei.example/12345", module=5 + seed, turn=20 * seed)
    rgb = np.array(torn)
    quad = cv2.QRCodeDetector().detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[1]
    corner = tuple(int(v) for v in np.asarray(quad).reshape(-1, 2)[0])
    cv2.circle(rgb, corner, 45 + 8 * seed, (250, 250, 250), -1)
    result = screen_codes(Image.fromarray(rgb))
    assert (result.fired, result.reason) == (True, "code_unreadable")


@pytest.mark.parametrize("seed", range(5))
def test_smooth_photo_has_no_region(seed: int) -> None:
    assert find_code_regions(np.asarray(photo(640, 480, seed=seed).convert("L"))) == []


def test_region_lies_around_the_code() -> None:
    (region,) = find_code_regions(np.asarray(with_code("abc", module=5).convert("L")))
    left, top, right, bottom = region
    assert (left, top) < (80, 60)
    assert 180 < right < 320
    assert 160 < bottom < 300


def test_known_readable_code_is_no_region_and_an_unreadable_one_is() -> None:
    box = ((60, 40), (220, 40), (220, 200), (60, 200))
    read = Code("QR Code", "abc", box, two_dimensional=True, readable=True)
    unread = Code("QR Code", "", box, two_dimensional=True, readable=False)
    with_one = np.asarray(with_code("abc", module=4).convert("L"))
    assert find_code_regions(with_one, [read]) == []
    assert len(find_code_regions(np.asarray(photo(640, 480).convert("L")), [unread])) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 900), (17, 16), (32, 32)])
def test_pictures_of_few_pixels_have_no_region(shape: tuple[int, int]) -> None:
    assert find_code_regions(np.zeros(shape, dtype=np.uint8)) == []


def hostile(name: str) -> Gray:
    rng = np.random.default_rng(0)
    y, x = np.indices((800, 800))
    if name == "checkerboard":
        return ((x // 3 + y // 3) % 2 * 255).astype(np.uint8)
    if name == "noise":
        return rng.integers(0, 256, (800, 800), dtype=np.uint8)
    tile = np.full((40, 40), 255, dtype=np.uint8)  # a finder pattern
    tile[3:38, 3:38], tile[8:33, 8:33], tile[13:28, 13:28] = 0, 255, 0
    return np.tile(tile, (20, 20))


@pytest.mark.parametrize("name", ["checkerboard", "noise", "finder patterns"])
def test_work_on_hostile_pictures_is_bounded(name: str) -> None:
    picture = hostile(name)
    start = time.thread_time()
    screen_codes(picture, second_pass=SecondPass.NEVER)
    once = time.thread_time() - start
    start = time.thread_time()
    screen_codes(picture)
    assert time.thread_time() - start < 20 * once + 1.0
    assert len(find_code_regions(picture)) <= MAX_REGIONS


def test_odd_pictures_never_raise() -> None:
    rng = np.random.default_rng(0)
    for number in range(120):
        shape = tuple(int(v) for v in rng.integers(1, (40, 400)[number % 2], 2))
        values = rng.integers(0, 256, shape, dtype=np.uint8)
        picture = np.where(values > (128, 250, 5)[number % 3], 255, 0).astype(np.uint8)
        assert isinstance(search_renditions(picture, [], everywhere=number % 4 == 0), list)
