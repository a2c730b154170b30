"""Reading order of recognized lines."""

import pytest

from ml.vision.screens.text.lines import TextLine, reading_order, turn_upright


def line(text: str, left: int, top: int, *, rise: int = 0) -> TextLine:
    box = (
        (left, top),
        (left + 100, top - rise),
        (left + 100, top + 20 - rise),
        (left, top + 20),
    )
    return TextLine(text, 0.9, box)


def test_reading_order_of_a_slightly_slanted_row_is_left_to_right() -> None:
    lines = [line("555-0111", 150, 98), line("below", 10, 130), line("Tel", 10, 103)]
    assert [found.text for found in reading_order(lines)] == ["Tel", "555-0111", "below"]


def test_reading_order_separates_adjacent_rows() -> None:
    lines = [line("second", 10, 121), line("first", 150, 100)]
    assert [found.text for found in reading_order(lines)] == ["first", "second"]


def test_reading_order_of_no_lines_is_empty() -> None:
    assert reading_order([]) == []


@pytest.mark.parametrize(
    ("quarters", "boxes"),
    [
        (1, (((90, 10), (90, 60), (70, 60), (70, 10)), ((60, 10), (60, 60), (40, 60), (40, 10)))),
        (2, (((60, 90), (10, 90), (10, 70), (60, 70)), ((60, 60), (10, 60), (10, 40), (60, 40)))),
        (3, (((10, 60), (10, 10), (30, 10), (30, 60)), ((40, 60), (40, 10), (60, 10), (60, 60)))),
    ],
)
def test_turned_lines_are_ordered_as_they_are_read(
    quarters: int, boxes: tuple[tuple[tuple[int, int], ...], ...]
) -> None:
    lines = [TextLine("second", 0.9, boxes[1]), TextLine("first", 0.9, boxes[0])]
    upright, width = turn_upright(lines, (300, 200))
    assert width == (200 if quarters % 2 else 300)
    assert [line.text for line in reading_order(upright)] == ["first", "second"]
    for line in upright:
        (left, top), (right, also_top), *_ = line.box
        assert (right - left, also_top - top) == (50, 0)


def test_upright_lines_stay_as_they_are() -> None:
    lines = [line("Tel", 10, 103), line("555-0111", 150, 98)]
    assert turn_upright(lines, (300, 200)) == (lines, 300)
    assert turn_upright([], (300, 200)) == ([], 300)
