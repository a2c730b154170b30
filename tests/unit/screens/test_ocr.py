"""Reading order: what the recogniser finds in any order is one text again."""

from ml.screens.ocr import Line, reading_order


def line(text: str, left: int, top: int, *, rise: int = 0) -> Line:
    box = (
        (left, top),
        (left + 100, top - rise),
        (left + 100, top + 20 - rise),
        (left, top + 20),
    )
    return Line(text, 0.9, box)


def test_a_row_is_read_from_the_left_though_its_right_end_lies_a_little_higher() -> None:
    lines = [line("555-0111", 150, 98), line("below", 10, 130), line("Tel", 10, 103)]
    assert [found.text for found in reading_order(lines)] == ["Tel", "555-0111", "below"]


def test_rows_that_touch_stay_two() -> None:
    lines = [line("second", 10, 121), line("first", 150, 100)]
    assert [found.text for found in reading_order(lines)] == ["first", "second"]


def test_no_lines() -> None:
    assert reading_order([]) == []
