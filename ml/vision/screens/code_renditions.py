"""Search again, in other renditions, the regions of a picture that look like a code.

Codes in bad light, out of focus, on curved or shiny surfaces, or made of dots are found after the
region was sharpened, equalized or blurred. A region has many edges in two directions and a finder
pattern: one photo of goods in 700 has that.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ml.vision.images.grayscale import Gray, halve
from ml.vision.screens.code_search import QR_FORMATS, QR_NAME, Code, detect
from ml.vision.screens.finder_patterns import FinderPattern, bound_code, find_finder_patterns

Region = tuple[int, int, int, int]  # left, top, right, bottom in pixels

MAX_REGIONS = 2  # of a picture; the largest first
MAX_PIXELS = 800_000  # of an enlarged region
_MAX_SCALE = 3.0
_MAX_PATTERN_PIXELS = 150_000  # of a region that is searched for finder patterns
_PATTERN_SCALE = 2.0
_BLOCK = 16  # pixels of the picture; the texture is measured by blocks
# Mean difference of neighboring pixels, at half the size, in the weaker of both directions. One
# photo of goods in six at 800 pixels has a region above it, and 94 % of those of unread codes.
MIN_TEXTURE = 22
_MIN_BLOCKS = 2  # of either side of a region
_MARGIN = 0.15  # around a region: a share of its longer side, in addition to two blocks


def search_renditions(gray: Gray, known: Sequence[Code], *, everywhere: bool = False) -> list[Code]:
    """QR codes in code-like regions without a known readable code, each up to its first reading.

    Two finder patterns of the same size without a symbol are an unreadable code, too.
    `everywhere`: in the whole picture, too, whether it looks like a code or not.

    Raises:
        ValueError: zxing-cpp rejects the pixels.
    """
    found: list[Code] = []
    unreadable = any(code.is_unreadable_qr_code for code in known)
    for region in find_code_regions(gray, known):
        left, top, right, bottom = region
        patterns = _find_patterns(gray[top:bottom, left:right])
        if patterns or unreadable:
            codes = _search_region(gray, region)
            found += codes or _bound_unreadable(patterns, (left, top))
    if everywhere:
        found += _search_region(gray, (0, 0, gray.shape[1], gray.shape[0]))
    return found


def find_code_regions(gray: Gray, known: Sequence[Code] = ()) -> list[Region]:
    """The largest regions of strong texture, largest first, outside of known readable codes.

    An unreadable code has a region around it, whatever its texture.
    """
    texture = _measure_texture(gray)
    if texture.size == 0:
        return []
    for code in known:
        left, top, right, bottom = _bounds(code)
        blocks = np.s_[top // _BLOCK : bottom // _BLOCK + 1, left // _BLOCK : right // _BLOCK + 1]
        texture[blocks] = 0 if code.readable else 255
    if texture.max() < MIN_TEXTURE:  # most photos
        return []
    _, _, boxes, _ = cv2.connectedComponentsWithStats((texture >= MIN_TEXTURE).astype(np.uint8))
    wide = [box for box in boxes[1:].tolist() if min(box[2], box[3]) >= _MIN_BLOCKS]
    wide.sort(key=lambda box: -box[4])
    return [_expand(box[:4], gray.shape) for box in wide[:MAX_REGIONS]]


def _measure_texture(gray: Gray) -> npt.NDArray[np.uint8]:
    half = halve(gray)
    side = _BLOCK // 2
    rows, columns = half.shape[0] // side, half.shape[1] // side
    if not (rows and columns):
        return np.zeros((0, 0), dtype=np.uint8)
    here = half[: rows * side, : columns * side]
    means = (
        cv2.resize(
            cv2.absdiff(here, np.roll(here, 1, axis)),
            (columns, rows),
            interpolation=cv2.INTER_AREA,
        )
        for axis in (0, 1)
    )
    return cv2.blur(cv2.min(*means), (2, 2)).astype(np.uint8, copy=False)


def _bounds(code: Code) -> Region:
    xs, ys = zip(*code.box, strict=True)
    return max(min(xs), 0), max(min(ys), 0), max(*xs, 0), max(*ys, 0)


def _expand(box: list[int], shape: tuple[int, ...]) -> Region:
    left, top, width, height = (value * _BLOCK for value in box)
    margin = round(2 * _BLOCK + _MARGIN * max(width, height))
    right, bottom = left + width + margin, top + height + margin
    return max(left - margin, 0), max(top - margin, 0), min(right, shape[1]), min(bottom, shape[0])


def _find_patterns(part: Gray) -> list[FinderPattern]:
    """Finder patterns of a region, in its pixels."""
    scale = min(_PATTERN_SCALE, (_MAX_PATTERN_PIXELS / part.size) ** 0.5)
    return find_finder_patterns(_resize(_sharpen(part), scale, cv2.INTER_LINEAR), scale)


def _bound_unreadable(patterns: Sequence[FinderPattern], corner: tuple[int, int]) -> list[Code]:
    box = bound_code(patterns)
    if box is None:
        return []
    placed = tuple((x + corner[0], y + corner[1]) for x, y in box)
    return [
        Code(QR_NAME, "", placed, two_dimensional=True, readable=False, rendition="finder_patterns")
    ]


def _search_region(gray: Gray, region: Region) -> list[Code]:
    left, top, right, bottom = region
    part = np.ascontiguousarray(gray[top:bottom, left:right])
    found: list[Code] = []
    for name, (render, max_scale) in RENDITIONS.items():
        scale = min(max_scale, (MAX_PIXELS / part.size) ** 0.5)
        picture = _resize(render(part), scale, cv2.INTER_CUBIC)
        codes = detect(picture, QR_FORMATS, scale=scale, corner=(left, top), rendition=name)
        found += [code for code in codes if code.readable or code.is_unreadable_qr_code]
        if any(code.readable for code in codes):
            break
    return found


def _resize(gray: Gray, scale: float, enlarge: int) -> Gray:
    size = (max(round(side * scale), 1) for side in gray.shape[::-1])
    interpolation = enlarge if scale > 1 else cv2.INTER_AREA
    return cv2.resize(gray, tuple(size), interpolation=interpolation).astype(np.uint8, copy=False)


def _sharpen(gray: Gray) -> Gray:
    """Against blur: unsharp masking."""
    blurred = cv2.GaussianBlur(gray, (0, 0), 1.0)
    return cv2.addWeighted(gray, 4.0, blurred, -3.0, 0.0).astype(np.uint8, copy=False)


def _equalize(gray: Gray) -> Gray:
    """Against shadow and glare: contrast-limited adaptive histogram equalization."""
    return cv2.createCLAHE(4.0, (4, 4)).apply(gray).astype(np.uint8, copy=False)


def _blur(gray: Gray) -> Gray:
    """Against gaps between dots and against moire."""
    return cv2.GaussianBlur(gray, (0, 0), 2.0).astype(np.uint8, copy=False)


# In this order: of 79 drawn photos in which another rendition than the plain one shows a code, 52,
# 64 and 75 are found after each (benchmarks/results/screens.md).
RENDITIONS: dict[str, tuple[Callable[[Gray], Gray], float]] = {
    "sharpened": (_sharpen, _MAX_SCALE),
    "equalized": (_equalize, _MAX_SCALE),
    "blurred": (_blur, 1.0),
}
