"""QR and other codes that lead a buyer elsewhere, read by zxing-cpp."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import zxingcpp
from PIL import Image

from ml.screens.grey import Grey
from ml.screens.outcome import Json, ScreenOutcome, failed, fires, quiet

NAME = "codes"
LONGEST_PAYLOAD = 500  # characters kept as evidence
_SCALE = 2
_MOST_PIXELS = 8_000_000  # of the second pass

_FLAT = frozenset(zxingcpp.barcode_formats_list(zxingcpp.barcode_formats_from_str("AllMatrix")))
# All 2-D codes, and of the others those of goods and parcels: they are evidence only, and the rest
# of them would make up a quarter of the time.
_LOOKED_FOR = "AllMatrix,EAN13,EAN8,UPCA,UPCE,Code128"
# Of symbols that are found yet not read only a QR code says something: on 300 photos of goods
# zxing-cpp saw five would-be Data Matrix and one PDF417, and no QR code.
_QR_NAMES = frozenset({"QR Code", "QR Code Model 1", "QR Code Model 2"})


class SecondPass(StrEnum):
    """When a photo is looked at again, twice as large.

    Measured on codes of 29 modules, drawn on rendered photos, turned by 0, 7 and 30 degrees,
    softened and stored as JPEG 80. Read with the mode never / hinted / always: 98 / 98 / 100 % at
    1.8 pixels a module, 63 / 78 / 100 % at 1.5, 32 / 62 / 93 % at 1.35 and 0 / 13 / 25 % at 1.2;
    all from 2.2 on. A photo took 4 / 4 / 12 ms. A symbol that is found and stays unread fires, too.
    """

    HINTED = "hinted"  # only where a symbol is found and not read
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Code:
    """One symbol; `box` is its four corners (x, y) in pixels of the given picture."""

    format: str
    payload: str
    box: tuple[tuple[int, int], ...]
    two_dimensional: bool
    readable: bool


def screen_codes(
    image: Image.Image,
    allowed: Sequence[re.Pattern[str]] = (),
    second_pass: SecondPass = SecondPass.HINTED,
) -> ScreenOutcome:
    r"""Fire `code` on a 2-D code, unless each payload wholly matches an allowed expression.

    A QR code that is seen but cannot be read fires `code_unreadable`: nothing says that it is an
    allowed one. Barcodes of goods (1-D) are evidence only.

    Args:
        image: RGB picture; the caller chooses the size, which decides how small a code may be.
        allowed: the shop's own addresses, such as `https://shop\.example/.*`.
        second_pass: see there.
    """
    try:
        codes = read_codes(image, second_pass)
    except (ValueError, RuntimeError, cv2.error) as error:
        return failed(NAME, error)
    evidence: dict[str, Json] = {"codes": [_evidence(code) for code in codes]}
    flat = [code for code in codes if code.two_dimensional]
    foreign = [c for c in flat if c.readable and not _is_allowed(c.payload, allowed)]
    if foreign:
        return fires(NAME, "code", float(len(foreign)), evidence)
    if any(not code.readable for code in flat):
        return fires(NAME, "code_unreadable", 0.0, evidence)
    return quiet(NAME, 0.0, evidence if codes else {})


def read_codes(image: Image.Image, second_pass: SecondPass = SecondPass.HINTED) -> list[Code]:
    """The codes of a picture; of the unreadable ones only QR codes that lie on no readable code.

    Raises:
        ValueError: zxing-cpp refuses the pixels.
    """
    grey = np.asarray(image.convert("L"))
    found = _read(grey, 1)
    if second_pass is SecondPass.ALWAYS or (second_pass is SecondPass.HINTED and _unread(found)):
        larger = _enlarged(grey)
        if larger is not None:
            found = _merged(found, _read(larger, _SCALE))
    read = [code for code in found if code.readable]
    return read + [code for code in _unread(found) if code.format in _QR_NAMES]


def _read(grey: Grey, scale: int) -> list[Code]:
    # `try_rotate` looks for bars that stand upright, too, and takes more time than all the rest (13
    # against 5.5 ms); 2-D codes are found at any turn without it, and barcodes are evidence only.
    formats = zxingcpp.barcode_formats_from_str(_LOOKED_FOR)
    symbols = zxingcpp.read_barcodes(grey, formats=formats, return_errors=True, try_rotate=False)
    return [_code(symbol, scale) for symbol in symbols]


def _unread(codes: list[Code]) -> list[Code]:
    """Symbols that are found and not read, without the ghosts that lie on a readable one."""
    read = [np.asarray(code.box, dtype=np.float32) for code in codes if code.readable]
    return [
        code
        for code in codes
        if not code.readable
        and all(cv2.pointPolygonTest(box, _centre(code), measureDist=False) < 0 for box in read)
    ]


def _centre(code: Code) -> tuple[float, float]:
    x, y = np.asarray(code.box, dtype=np.float64).mean(axis=0)
    return float(x), float(y)


def _enlarged(grey: Grey) -> Grey | None:
    if grey.size * _SCALE**2 > _MOST_PIXELS:
        return None
    size = (grey.shape[1] * _SCALE, grey.shape[0] * _SCALE)
    return cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _code(symbol: zxingcpp.Barcode, scale: int) -> Code:
    place = symbol.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return Code(
        format=str(symbol.format),
        payload=symbol.text if symbol.valid else "",
        box=tuple((corner.x // scale, corner.y // scale) for corner in corners),
        two_dimensional=symbol.format in _FLAT,
        readable=symbol.valid,
    )


def _merged(first: list[Code], second: list[Code]) -> list[Code]:
    known = {(code.format, code.payload) for code in first if code.readable}
    return first + [c for c in second if c.readable and (c.format, c.payload) not in known]


def _is_allowed(payload: str, allowed: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(payload) for pattern in allowed)


def _evidence(code: Code) -> dict[str, Json]:
    return {
        "format": code.format,
        # PostgreSQL's JSON takes no NUL, which a payload may hold.
        "payload": code.payload[:LONGEST_PAYLOAD].replace("\x00", "\ufffd"),
        "box": [[x, y] for x, y in code.box],
        "two_dimensional": code.two_dimensional,
        "readable": code.readable,
    }
