from collections import Counter

import numpy as np
import zxingcpp
from PIL import Image

from benchmarks.codes_photos import KINDS, code_photos
from benchmarks.codes_symbols import Look, draw_symbol, make_matrix
from tests.unit.vision.images.pictures import photo


def test_code_photos_are_the_same_each_time_and_others_in_the_other_half() -> None:
    backgrounds = [photo(200, 160)]
    first, again = (list(code_photos("choose", 2, backgrounds, ["card"])) for _ in range(2))
    others = list(code_photos("report", 2, backgrounds, ["card"]))
    assert first == again
    assert not {p.data for p in first} & {p.data for p in others}
    assert not {p.payload for p in first} & {p.payload for p in others}


def test_a_photo_of_each_kind_is_drawn() -> None:
    kinds = list(KINDS)[::4]
    drawn = Counter(p.kind for p in code_photos("choose", 1, [photo(200, 160)], kinds))
    assert drawn == dict.fromkeys(kinds, 1)


def test_drawn_symbol_has_its_payload() -> None:
    payload, matrix = make_matrix(np.random.default_rng(0), 4, "q")
    drawn = Image.fromarray(draw_symbol(matrix, Look(modules="dot")))
    (found,) = zxingcpp.read_barcodes(drawn)
    assert found.text == payload
