"""What Chromium shows of a photo is what is judged, or a reviewer looks, or it is quarantined."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Browser

from benchmarks import as_shown
from benchmarks.as_shown import Comparison, compare, distances
from benchmarks.as_shown_drawing import drawn, encoded, transparent
from benchmarks.as_shown_photos import KINDS
from ml.core.settings import ROOT
from ml.vision.images.decode import Decoded, decode
from ml.vision.images.open_photo import DecodeLimits

pytestmark = pytest.mark.integration

SHARED = ROOT.parent / "shared"
DATA = Path(os.environ.get("MODERATION_REAL_DATA", SHARED / "data"))
CASES = sorted(Path(os.environ.get("MODERATION_CASES", SHARED / "cases")).glob("*.[jp][pn]g"))
ODD_FORMATS = {".avif", ".bmp", ".gif", ".jpg", ".png", ".webp"}
ODD = [path for path in sorted(DATA.glob("odd/*")) if path.suffix in ODD_FORMATS]
EVERY = 12  # of the odd files: all of them take minutes
CONVERT = shutil.which("heif-convert")
# Levels of 255 where no color space is involved: rounding, and the alpha channels of AVIF.
MAX_DISTANCE, MAX_CELL = 5.0, 16.0


@pytest.fixture
def compared(browser: Browser, request: pytest.FixtureRequest) -> list[Comparison]:
    photos: Iterator[tuple[str, bytes]] = request.param()
    return list(compare(browser, photos))


def files(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    return ((path.name, path.read_bytes()) for path in paths)


@pytest.mark.parametrize("compared", KINDS.values(), ids=KINDS, indirect=True)
def test_generated_photos_are_judged_as_chromium_shows_them(compared: list[Comparison]) -> None:
    assert [row for row in compared if row.passes_unseen] == []
    assert sum(row.outcome == "judged" for row in compared) >= len(compared) // 2


@pytest.mark.parametrize(
    "compared", [KINDS[name] for name in ("orientation", "transparency", "coding")], indirect=True
)
def test_photos_without_a_color_space_are_judged_nearly_the_same(
    compared: list[Comparison],
) -> None:
    plain = [row for row in compared if row.outcome == "judged" and "nclx" not in row.name]
    assert plain
    far = [row for row in plain if row.distance > MAX_DISTANCE or row.cell > MAX_CELL]
    assert far == []


@pytest.mark.skipif(not CASES, reason="needs the folder of cases: MODERATION_CASES")
@pytest.mark.parametrize("compared", [lambda: files(CASES)], ids=["cases"], indirect=True)
def test_cases_are_judged_as_chromium_shows_them(compared: list[Comparison]) -> None:
    assert {row.name for row in compared} == {path.name for path in CASES}
    assert [row for row in compared if row.passes_unseen] == []


@pytest.mark.skipif(not ODD, reason="needs the odd files: set MODERATION_REAL_DATA")
@pytest.mark.parametrize("compared", [lambda: files(ODD[::EVERY])], ids=["odd"], indirect=True)
def test_odd_files_are_judged_as_chromium_shows_them(compared: list[Comparison]) -> None:
    assert [row for row in compared if row.passes_unseen] == []
    assert sum(row.outcome == "judged" for row in compared) > 10


def test_comparison_finds_a_picture_that_is_shown_otherwise(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upside_down(data: bytes, *, limits: DecodeLimits, all_views: bool) -> Decoded:
        found = decode(data, limits=limits, all_views=all_views)
        views = (replace(view, image=view.image.rotate(180)) for view in found.views)
        return replace(found, views=tuple(views))

    photos = [("photo", encoded(drawn(), "JPEG"))]
    assert not next(iter(compare(browser, photos))).differs
    monkeypatch.setattr(as_shown, "decode", upside_down)
    assert next(iter(compare(browser, photos))).passes_unseen
    assert not Comparison("", "white", "review: color", 20.0, 20.0).passes_unseen


def heic_photos() -> Iterator[tuple[str, bytes]]:
    """HEIC of each kind that the encoder writes."""
    images = {"RGB": drawn(), "odd size": drawn((65, 33)), "gray": drawn().convert("L")}
    for name, image in images.items():
        for chroma in (420, 444):
            yield f"{name}, {chroma}", _heic(image, chroma=chroma)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation {orientation}", _heic(drawn(), exif=exif.tobytes())
        yield f"orientation {orientation} in EXIF alone", _heic(drawn(), exif=exif)
    yield "alpha", _heic(transparent())


def _heic(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=90, **options)
    return out.getvalue()


@pytest.mark.skipif(CONVERT is None, reason="needs heif-convert: apt-get install libheif-examples")
def test_heic_is_judged_as_heif_convert_shows_it(tmp_path: Path) -> None:
    source, target = tmp_path / "photo.heic", tmp_path / "photo.png"
    for name, data in heic_photos():
        source.write_bytes(data)
        subprocess.run([str(CONVERT), str(source), str(target)], check=True, capture_output=True)
        shown = Image.open(target).convert("RGBA")
        for view in decode(data, limits=DecodeLimits(), all_views=True).views:
            canvas = Image.new("RGBA", shown.size, view.background)
            canvas.alpha_composite(shown)
            assert view.image.size == shown.size, name
            far = distances(view.image, canvas.convert("RGB"))
            assert far[0] < MAX_DISTANCE, (name, view.background, far)
