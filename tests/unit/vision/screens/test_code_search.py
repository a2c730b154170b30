"""Search by zxing-cpp: which symbols count, and where they were found."""

import numpy as np
import pytest

from ml.vision.screens.code_search import QR_FORMATS, Code, detect, merge_codes, search_picture
from tests.unit.vision.screens.conftest import with_code

BOX = ((10, 10), (50, 10), (50, 50), (10, 50))
ELSEWHERE = ((100, 10), (150, 10), (150, 50), (100, 50))


def code(payload: str, box: tuple[tuple[int, int], ...] = BOX, kind: str = "QR Code") -> Code:
    return Code(kind, payload, box, two_dimensional=True, readable=bool(payload))


def test_code_that_two_renditions_show_counts_once() -> None:
    assert merge_codes([code("abc"), code("abc", ELSEWHERE)]) == [code("abc")]


def test_unreadable_code_within_a_readable_one_is_dropped_and_beside_it_kept() -> None:
    beside = code("", ELSEWHERE)
    assert merge_codes([code(""), beside, code("abc")]) == [code("abc"), beside]


@pytest.mark.parametrize("kind", ["Data Matrix", "PDF417", "Aztec", "MaxiCode", "EAN-13"])
def test_unreadable_symbol_of_another_format_is_dropped(kind: str) -> None:
    assert merge_codes([code("", kind=kind)]) == []


def test_box_of_a_part_is_in_pixels_of_the_picture() -> None:
    gray = np.asarray(with_code("abc").convert("L"))
    part = np.ascontiguousarray(gray[20:, 30:])
    (whole,), (found,) = (
        detect(gray, QR_FORMATS),
        detect(part, QR_FORMATS, corner=(30, 20), rendition="blurred"),
    )
    assert np.array(found.box) == pytest.approx(np.array(whole.box), abs=1)
    assert (found.payload, found.rendition) == ("abc", "blurred")


def test_plain_picture_is_searched_first() -> None:
    (found,) = search_picture(np.asarray(with_code("abc").resize((1280, 960)).convert("L")))
    assert found.rendition == "plain"
