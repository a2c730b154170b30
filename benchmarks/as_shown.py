"""`python -m benchmarks.as_shown [FILE...]`: the pixels that are judged, compared with Chromium's.

Chromium shows each photo on a white page, and one with transparent pixels on a black page as well.
Screenshot and judged pixels, both reduced to 64 x 64, may differ by `MAX_DISTANCE` on average and
by `MAX_CELL` in the mean of the worst of the 64 blocks: what the bounds of
`ml.vision.images.color_profile` leave unconverted. A photo that differs by more must be
quarantined, or a reviewer must look at it. Without files, the photos of `as_shown_photos`.
"""

import base64
import io
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.as_shown_photos import KINDS
from ml.core.errors import ImageRejected
from ml.vision.images.decode import Decoded, decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.views import View, cut_parts

MAX_DISTANCE, MAX_CELL = 16.0, 50.0  # levels of 255
SIDE, _CELLS = 64, 8
_MAX_SHOWN = 1200  # pixels of a side on the page
_GROUNDS = {"white": "#fff", "black": "#000"}
_LOAD = """async ([url, side, background, first]) => {
  document.body.style = `margin: 0; background: ${background}`;
  let image = new Image();
  image.src = url;
  try { await image.decode(); } catch { return null; }
  if (first) {  // of the frames; by the time of the screenshot another one may be shown
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    const [naturalWidth, naturalHeight] = [bitmap.width, bitmap.height];
    image = Object.assign(document.createElement("canvas"), {
      width: naturalWidth, height: naturalHeight, naturalWidth, naturalHeight});
    image.getContext("2d").drawImage(bitmap, 0, 0);
  }
  const scale = Math.min(1, side / Math.max(image.naturalWidth, image.naturalHeight));
  const [width, height] = [image.naturalWidth, image.naturalHeight].map(
    pixels => Math.max(1, Math.round(pixels * scale)));
  image.style = `display: block; width: ${width}px; height: ${height}px`;
  document.body.replaceChildren(image);
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return {x: 0, y: 0, width, height};
}"""


@dataclass(frozen=True)
class Comparison:
    """What became of one photo on one page; `distance` and `cell` in levels of 255."""

    name: str
    background: str
    outcome: str  # judged, quarantined or review with its reason, or not shown
    distance: float = 0.0
    cell: float = 0.0

    @property
    def differs(self) -> bool:
        """Whether buyers see another picture than the model."""
        return self.distance > MAX_DISTANCE or self.cell > MAX_CELL

    @property
    def passes_unseen(self) -> bool:
        """Whether it differs, and nobody looks."""
        return self.differs and self.outcome == "judged"


def compare(browser: Browser, photos: Iterable[tuple[str, bytes]]) -> Iterator[Comparison]:
    """Compare each photo that Chromium shows; one with transparency also on black."""
    page = browser.new_page(viewport={"width": _MAX_SHOWN, "height": _MAX_SHOWN})
    for name, data in photos:
        decoded = _decode(data)
        first = isinstance(decoded, Decoded) and decoded.frames > 1
        shown = {key: _show(page, data, color, first=first) for key, color in _GROUNDS.items()}
        white, black = shown["white"], shown["black"]
        if white is None or black is None:
            yield Comparison(name, "white", "not shown")
            continue
        yield _compare(name, "white", decoded, white)
        if distances(white, black)[0] > 0:
            yield _compare(name, "black", decoded, black)
    page.close()


def _decode(data: bytes) -> Decoded | ImageRejected:
    try:
        return decode(data, limits=DecodeLimits(min_side=1), all_views=True)
    except ImageRejected as error:
        return error


def _show(page: Page, data: bytes, color: str, *, first: bool) -> Image.Image | None:
    url = "data:image/png;base64," + base64.b64encode(data).decode()  # the type is sniffed
    place = page.evaluate(_LOAD, [url, _MAX_SHOWN, color, first])
    if place is None:
        return None
    return Image.open(io.BytesIO(page.screenshot(clip=place))).convert("RGB")


def _compare(
    name: str, background: str, decoded: Decoded | ImageRejected, shown: Image.Image
) -> Comparison:
    if isinstance(decoded, ImageRejected):
        return Comparison(name, background, f"quarantined: {decoded.reason.value}")
    outcome = f"review: {decoded.unjudged}" if decoded.unjudged else "judged"
    return Comparison(name, background, outcome, *_best_frame(decoded.views, background, shown))


def _best_frame(views: Sequence[View], background: str, shown: Image.Image) -> tuple[float, float]:
    """The distances of the frame that is shown, of the worst of its parts."""
    backgrounds = {view.background for view in views}
    over = [view for view in views if view.background == background or len(backgrounds) == 1]
    parts = list(cut_parts(shown, 1 + max(view.part for view in views)))
    worst: dict[int, tuple[float, float]] = {}
    for view in over:
        found = distances(view.image, parts[view.part])
        worst[view.frame] = max(found, worst.get(view.frame, found))
    return min(worst.values(), default=(255.0, 255.0))


def distances(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """Mean distance at 64 x 64, and that of the worst block of 8 x 8."""
    a, b = (
        np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
        for image in (one, other)
    )
    difference = np.abs(a - b).mean(axis=2)
    blocks = difference.reshape(_CELLS, SIDE // _CELLS, _CELLS, SIDE // _CELLS).mean(axis=(1, 3))
    return float(difference.mean()), float(blocks.max())


def main(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Photos, or the generated ones.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Print those that agree, too.")] = False,
) -> None:
    """Compare the photos and print a table of those that differ."""
    photos = [(path.name, path.read_bytes()) for path in files or ()]
    if not photos:
        photos = [photo for drawn in KINDS.values() for photo in drawn()]
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = list(compare(browser, photos))
        print_table(found, every=every, title=f"Chromium {browser.version}")
    raise typer.Exit(any(row.passes_unseen for row in found))


def print_table(found: list[Comparison], *, every: bool, title: str) -> None:
    """Print those that differ, or all, and the totals."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table("photo", "page", "outcome", "distance", "worst block", title=title)
    for row in found:
        if every or row.differs:
            figures = f"{row.distance:.2f}", f"{row.cell:.1f}"
            table.add_row(row.name, row.background, row.outcome, *figures)
    console.print(table)
    judged = [row.distance for row in found if row.outcome == "judged" and not row.differs]
    console.print(
        f"{len({row.name for row in found})} photos, {len(found)} comparisons; "
        f"{len(judged)} judged as shown (mean distance {np.mean(judged or [0]):.2f}, "
        f"largest {max(judged, default=0):.2f}), "
        f"{sum(row.passes_unseen for row in found)} judged otherwise"
    )


if __name__ == "__main__":
    typer.run(main)
