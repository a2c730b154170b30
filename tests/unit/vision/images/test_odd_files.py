"""597 broken, hostile or unusual files, compared with what Pillow reports for each."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import QuarantineReason
from ml.vision.images.open_photo import ACCEPTED_FORMATS, DecodeLimits

REPOSITORY = Path(__file__).parents[4]
DATA = Path(os.environ.get("MODERATION_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
LIMITS = DecodeLimits()
REASONS = {reason.value for reason in QuarantineReason}

pytestmark = pytest.mark.skipif(
    not (DATA / "odd_status.csv").is_file(),
    reason="needs the odd files: set MODERATION_REAL_DATA to the folder with odd/",
)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Outcome and seconds by file name, from one process with 3 GiB and warnings as errors."""
    script = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.unit.vision.images.decode_all",
        str(DATA / "odd"),
    ]
    run = subprocess.run(
        script, cwd=REPOSITORY, capture_output=True, text=True, timeout=180, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return {row["name"]: row for row in rows}


@pytest.fixture(scope="module")
def pillow() -> dict[str, dict[str, str]]:
    with (DATA / "odd_status.csv").open(newline="") as file:
        return {Path(row["path"]).name: row for row in csv.DictReader(file)}


# BMP that may skip pixels, which programs fill in different ways.
_RUN_LENGTHS = [
    "odd_pillow_2fcbaa0f38.bmp",
    "odd_pillow_7e9174e762.bmp",
    "odd_pillow_809938ab0e.bmp",
    "odd_pillow_bdd5c9dfe4.bmp",
    "odd_pillow_c1787678ec.bmp",
    "odd_suites_4afb091efb.bmp",
    "odd_suites_941a764a5a.bmp",
    "odd_suites_b197a92b81.bmp",
    "odd_suites_d8af2a60cd.bmp",
    "odd_suites_fc72887d25.bmp",
]
# Where we know better than Pillow: animations whose chunks are out of order (browsers show others),
# and a picture that it rejects because of its metadata.
KNOWN = {
    "odd_pillow_59068aa0bf.png": "animated",
    "odd_pillow_da82a37bd0.png": "animated",
    "odd_pillow_fc20e7ebe2.png": "animated",
    "odd_pillow_a50d974cac.png": "animated",
    "odd_pillow_302d05341f.png": "animated",
    "odd_pillow_194a4c20f1.png": "decoded",
    "odd_pillow_aade401067.bmp": "corrupt",  # its pixels begin in the palette
} | dict.fromkeys(_RUN_LENGTHS, "unsupported_format")


def allowed(row: dict[str, str]) -> set[str]:
    """The outcomes that agree with Pillow's report on a file."""
    if known := KNOWN.get(Path(row["path"]).name):
        return {known}
    if row["pil_result"] != "ok":
        return REASONS
    if row["pil_format"] not in {*ACCEPTED_FORMATS, "MPO"}:
        return {"unsupported_format", "not_an_image"}  # the latter: no known magic bytes
    width, height = int(row["width"]), int(row["height"])
    if width * height > LIMITS.max_pixels:
        return {"too_many_pixels"}
    if min(width, height) < LIMITS.min_side:
        return {"too_small"}
    return {"decoded"}


def test_every_odd_file_has_an_outcome(
    outcomes: dict[str, dict[str, Any]], pillow: dict[str, dict[str, str]]
) -> None:
    assert len(outcomes) == 597
    assert outcomes.keys() == pillow.keys()
    assert {row["outcome"] for row in outcomes.values()} <= {"decoded", *REASONS}


def test_outcomes_of_odd_files_agree_with_pillow(
    outcomes: dict[str, dict[str, Any]], pillow: dict[str, dict[str, str]]
) -> None:
    surprises = {
        name: (outcomes[name]["outcome"], row)
        for name, row in pillow.items()
        if outcomes[name]["outcome"] not in allowed(row)
    }
    assert surprises == {}


def test_hundreds_of_odd_files_decode_to_rgb(
    outcomes: dict[str, dict[str, Any]],
) -> None:
    modes = [row["mode"] for row in outcomes.values() if row["outcome"] == "decoded"]
    assert len(modes) > 300
    assert set(modes) == {"RGB"}


def test_no_odd_file_takes_long(outcomes: dict[str, dict[str, Any]]) -> None:
    slow = {name: row["seconds"] for name, row in outcomes.items() if row["seconds"] > 5}
    assert slow == {}
