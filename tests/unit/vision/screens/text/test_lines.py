"""Reading order of recognized lines."""

from ml.vision.screens.text.lines import TextLine, reading_order


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
