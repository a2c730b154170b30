"""Broken files end in a picture or a quarantine; a file that ends its process is found."""

import sys
from collections import Counter

import pytest

from benchmarks.broken_photos import make_broken
from benchmarks.decode_broken import run

_ENDS = """
import json, os, signal, sys
start, count = int(sys.argv[2]), int(sys.argv[4])
for number in range(start, start + count):
    if number == 2:
        os.abort()
    if number == 3:
        signal.raise_signal(signal.SIGALRM)
    row = {"number": number, "file_format": "GIF", "outcome": "decoded", "seconds": 0.1}
    print(json.dumps(row), flush=True)
"""


@pytest.mark.timeout(120)
def test_broken_files_neither_crash_nor_hang_nor_raise() -> None:
    found = list(run(range(20_000, 20_300)))
    assert [row.number for row in found] == list(range(20_000, 20_300))
    assert [row for row in found if row.is_defect] == []
    assert max(row.seconds for row in found) < 5
    assert set(Counter(row.file_format for row in found).values()) == {60}
    decoded = {row.file_format for row in found if row.outcome == "decoded"}
    assert {"AVIF", "GIF", "HEIC", "WEBP"} <= decoded  # not all are refused by their headers


def test_file_that_ends_its_process_is_named_and_the_next_one_decoded() -> None:
    found = list(run(range(6), child=(sys.executable, "-c", _ENDS)))
    assert [row.outcome for row in found] == [
        "decoded", "decoded", "crash", "hang", "decoded", "decoded",
    ]  # fmt: skip
    assert [row.number for row in found if row.is_defect] == [2, 3]


def test_files_are_the_same_for_the_same_number() -> None:
    assert [make_broken(number) for number in range(20)] == [
        make_broken(number) for number in range(20)
    ]
    assert len({data for _, data in map(make_broken, range(200))}) > 190
