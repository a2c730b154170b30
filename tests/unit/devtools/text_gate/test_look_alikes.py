"""The table of look-alike letters, and the spoof checker that it comes from."""

import re
from pathlib import Path

import pytest

from devtools.text_gate.look_alikes import find_look_alikes, load_icu, write_table
from ml.vision.screens.text.normalize_text import LOOK_ALIKES

LINES = LOOK_ALIKES.read_text(encoding="utf-8").splitlines()
VERSION = LINES[0].removeprefix("# Unicode ")


def test_table_names_its_version_and_has_one_line_a_letter() -> None:
    assert re.fullmatch(r"\d+\.\d+", VERSION)
    assert all(re.fullmatch(r"[A-Za-z\d] [^\x00-\x7f]+", line) for line in LINES[1:])
    letters = [line[0] for line in LINES[1:]]
    assert letters == sorted(set(letters))


def test_no_letter_looks_like_two() -> None:
    others = [other for line in LINES[1:] for other in line[2:]]
    assert len(others) == len(set(others))


def test_table_is_what_the_spoof_checker_of_its_version_gives(tmp_path: Path) -> None:
    try:
        version, _ = load_icu()
    except RuntimeError as missing:
        pytest.skip(str(missing))
    if version != VERSION:
        pytest.skip(f"the table is of Unicode {VERSION}, ICU here of {version}")
    write_table(tmp_path / "table.txt")
    assert (tmp_path / "table.txt").read_text(encoding="utf-8").splitlines() == LINES


def test_capital_that_looks_latin_brings_its_small_letter() -> None:
    found = find_look_alikes(lambda text: {"К": "K", "Я": "Я"}.get(text, text))
    assert found == {"K": "К", "k": "к"}
