import pytest

from ml.core.format import MISSING, count, counts, file_size, percent, short_hash, signed


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.1234, 1, "12.3%"), (1.0, 0, "100%"), (0.0, 2, "0.00%"), (None, 1, MISSING)],
)
def test_percent_multiplies_by_a_hundred(share: float | None, digits: int, text: str) -> None:
    assert percent(share, digits) == text


def test_percent_takes_another_unit() -> None:
    assert percent(0.5, unit=" %") == "50.0 %"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1234567, 0, "1,234,567"), (1234.56, 1, "1,234.6"), (0, 0, "0"), (None, 0, MISSING)],
)
def test_count_separates_thousands(value: float | None, digits: int, text: str) -> None:
    assert count(value, digits) == text


def test_counts_lists_names_and_is_a_dash_without_any() -> None:
    assert counts({"pass": 1200, "review": 34}) == "pass 1,200, review 34"
    assert counts({}) == MISSING


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "+0.25"), (-0.25, "−0.25"), (0.001, "0.00"), (-0.001, "0.00"), (None, MISSING)],
)
def test_signed_has_no_sign_where_it_rounds_to_zero(value: float | None, text: str) -> None:
    assert signed(value, 2) == text


def test_signed_takes_another_minus() -> None:
    assert signed(-1.5, 1, minus="-") == "-1.5"


def test_short_hash_keeps_twelve_digits() -> None:
    assert short_hash("0123456789abcdef") == "0123456789ab"
    assert short_hash(None) == MISSING


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 * 2**20, "5.0 MiB"),
        (3 * 2**50, "3072.0 TiB"),
    ],
)
def test_file_size_uses_binary_units(size: int, text: str) -> None:
    assert file_size(size) == text
