"""Screen `codes`: QR and other codes that lead buyers to other sites, read by zxing-cpp."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
import zxingcpp
from PIL import Image

from ml.core.types import Json, ScreenResult, negative, positive
from ml.vision.images.grayscale import Gray, gray_pixels, halve

NAME = "codes"
MAX_PAYLOAD = 500  # characters kept as evidence
_SCALE = 2  # of the second pass
_MAX_PIXELS = 8_000_000  # of the second pass
_MIN_MARGIN = 16  # pixels around a symbol in the second pass

_MATRIX_FORMATS = frozenset(
    zxingcpp.barcode_formats_list(zxingcpp.barcode_formats_from_str("AllMatrix"))
)
Region = tuple[int, int, int, int]  # left, top, right, bottom in pixels

# All 2-D codes, and the 1-D codes of products and parcels. 1-D codes are evidence only, and the
# remaining ones would take a quarter of the time.
_FORMATS = "AllMatrix,EAN13,EAN8,UPCA,UPCE,Code128"
# A picture with a longer side is searched for _FINE_FORMATS as it is, and at half its size for all:
# 2.9 ms instead of 5.5. Links come as QR codes, and PDF417 has the smallest modules. On 220 real
# photos of codes, enlarged to 800 pixels, one finding changed: the only barcode (1-D) was missed.
_MAX_FINE_SIDE = 640
_FINE_FORMATS = "QRCode,MicroQRCode,rMQRCode,PDF417,CompactPDF417,MicroPDF417"
# Unreadable symbols are reliable only if they are QR codes: on 300 photos of products zxing-cpp
# detected five false Data Matrix codes and one false PDF417, but no false QR code.
_QR_NAMES = frozenset({"QR Code", "QR Code Model 1", "QR Code Model 2"})


class SecondPass(StrEnum):
    """When a photo is searched again at twice the size.

    Measured on codes of 29 modules, drawn on rendered photos, rotated by 0, 7 and 30 degrees,
    blurred and stored as JPEG 80. Share read in the mode never / on_detection / always: 98 / 98 /
    100 % at 1.8 pixels per module, 63 / 78 / 100 % at 1.5, 32 / 62 / 93 % at 1.35, 0 / 13 / 25 % at
    1.2, and all from 2.2. A photo took 4 / 4 / 12 ms. A symbol that is detected but stays
    unreadable fires, too.
    """

    ON_DETECTION = "on_detection"  # only if a symbol is detected but not readable
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Code:
    """One symbol; `box` has its four corners (x, y) in pixels of the picture."""

    format: str
    payload: str
    box: tuple[tuple[int, int], ...]
    two_dimensional: bool
    readable: bool


def screen_codes(
    picture: Image.Image | Gray,
    allowed: Sequence[re.Pattern[str]] = (),
    second_pass: SecondPass = SecondPass.ON_DETECTION,
) -> ScreenResult:
    r"""Fire `code` on a 2-D code, unless each payload fully matches an allowed expression.

    These match the shop's own URLs, such as `https://shop\.example/.*`. A QR code that is detected
    but unreadable fires `code_unreadable`: it may not be an allowed one. Barcodes of products (1-D)
    are evidence only. The size of the picture limits how small a readable code is.
    """
    codes = read_codes(picture, second_pass)
    evidence: dict[str, Json] = {"codes": [_evidence(code) for code in codes]}
    matrix_codes = [code for code in codes if code.two_dimensional]
    external = [
        code
        for code in matrix_codes
        if code.readable and not any(pattern.fullmatch(code.payload) for pattern in allowed)
    ]
    if external:
        return positive(NAME, "code", float(len(external)), evidence)
    if any(not code.readable for code in matrix_codes):
        return positive(NAME, "code_unreadable", 0.0, evidence)
    return negative(NAME, 0.0, evidence if codes else {})


def read_codes(
    picture: Image.Image | Gray, second_pass: SecondPass = SecondPass.ON_DETECTION
) -> list[Code]:
    """The readable codes of a picture, and unreadable QR codes that overlap no readable code.

    Raises:
        ValueError: zxing-cpp rejects the pixels.
    """
    gray = gray_pixels(picture)
    codes = _search(gray)
    region = (0, 0, gray.shape[1], gray.shape[0])
    if second_pass is SecondPass.ON_DETECTION:
        region = _surroundings(_unreadable(codes), region)
    if second_pass is not SecondPass.NEVER:
        codes = _merge(codes, _search_enlarged(gray, region))
    readable = [code for code in codes if code.readable]
    return readable + [code for code in _unreadable(codes) if code.format in _QR_NAMES]


def _search(gray: Gray) -> list[Code]:
    if max(gray.shape) <= _MAX_FINE_SIDE:
        return _detect(gray, _FORMATS, 1)
    # zxing-cpp's own reduction, to a third, would find nothing that the half does not show.
    fine = _detect(gray, _FINE_FORMATS, 1, try_downscale=False)
    coarse = _detect(halve(gray), _FORMATS, 0.5)
    unreadable = [c for c in coarse if not c.readable and not _is_inside(c, fine)]
    return [*_merge(fine, coarse), *unreadable]


def _surroundings(codes: list[Code], picture: Region) -> Region:
    """Codes with as many pixels around them as their own sides have; empty without codes."""
    left, top, right, bottom = picture[2], picture[3], 0, 0
    for code in codes:
        xs, ys = zip(*code.box, strict=True)
        margin = max(max(xs) - min(xs), max(ys) - min(ys), _MIN_MARGIN)
        left, right = min(left, min(xs) - margin), max(right, max(xs) + margin)
        top, bottom = min(top, min(ys) - margin), max(bottom, max(ys) + margin)
    return max(left, 0), max(top, 0), min(right, picture[2]), min(bottom, picture[3])


def _search_enlarged(gray: Gray, region: Region) -> list[Code]:
    left, top, right, bottom = region
    part = gray[top:bottom, left:right]
    if not 0 < part.size * _SCALE**2 <= _MAX_PIXELS:
        return []
    size = (part.shape[1] * _SCALE, part.shape[0] * _SCALE)
    enlarged = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    return [
        replace(code, box=tuple((x + left, y + top) for x, y in code.box))
        for code in _detect(enlarged, _FORMATS, _SCALE)
    ]


def _detect(gray: Gray, names: str, scale: float, *, try_downscale: bool = True) -> list[Code]:
    # `try_rotate` also searches for vertical bars and takes more time than all the rest (13 versus
    # 5.5 ms). 2-D codes are found at any rotation without it, and barcodes are evidence only.
    formats = zxingcpp.barcode_formats_from_str(names)
    symbols = zxingcpp.read_barcodes(
        gray,
        formats=formats,
        return_errors=True,
        try_rotate=False,
        try_downscale=try_downscale,
    )
    return [_to_code(symbol, scale) for symbol in symbols]


def _unreadable(codes: list[Code]) -> list[Code]:
    """Unreadable symbols, without false detections inside a readable one."""
    readable = [code for code in codes if code.readable]
    return [code for code in codes if not code.readable and not _is_inside(code, readable)]


def _is_inside(code: Code, others: list[Code]) -> bool:
    """Whether the center of a code is in the box of another one."""
    center = np.mean(code.box, axis=0).tolist()
    boxes = (np.asarray(other.box, dtype=np.float32) for other in others)
    return any(cv2.pointPolygonTest(box, center, measureDist=False) >= 0 for box in boxes)


def _to_code(symbol: zxingcpp.Barcode, scale: float) -> Code:
    quad = symbol.position
    corners = (quad.top_left, quad.top_right, quad.bottom_right, quad.bottom_left)
    return Code(
        format=str(symbol.format),
        payload=symbol.text if symbol.valid else "",
        box=tuple((int(corner.x / scale), int(corner.y / scale)) for corner in corners),
        two_dimensional=symbol.format in _MATRIX_FORMATS,
        readable=symbol.valid,
    )


def _merge(first: list[Code], second: list[Code]) -> list[Code]:
    known = {(code.format, code.payload) for code in first if code.readable}
    return first + [c for c in second if c.readable and (c.format, c.payload) not in known]


def _evidence(code: Code) -> dict[str, Json]:
    # PostgreSQL's JSON rejects NUL, which a payload may contain.
    payload = code.payload[:MAX_PAYLOAD].replace("\x00", "\ufffd")
    return asdict(code) | {"payload": payload, "box": [[x, y] for x, y in code.box]}
