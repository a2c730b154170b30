"""Search a picture for 2-D codes and barcodes with zxing-cpp."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp

from ml.vision.images.grayscale import Gray, halve

_MATRIX_FORMATS = frozenset(
    zxingcpp.barcode_formats_list(zxingcpp.barcode_formats_from_str("AllMatrix"))
)

# All 2-D codes, and the 1-D codes of products and parcels. 1-D codes are evidence only, and the
# remaining ones would take a quarter of the time.
_FORMATS = "AllMatrix,EAN13,EAN8,UPCA,UPCE,Code128"
# A picture with a longer side is searched for _FINE_FORMATS as it is, and at half its size for all:
# 2.9 ms instead of 5.5. Links come as QR codes, and PDF417 has the smallest modules. On 220 real
# photos of codes, enlarged to 800 pixels, one finding changed: the only barcode (1-D) was missed.
_MAX_FINE_SIDE = 640
_FINE_FORMATS = "QRCode,MicroQRCode,rMQRCode,PDF417,CompactPDF417,MicroPDF417"
QR_FORMATS = "QRCode,MicroQRCode,rMQRCode"
# Unreadable symbols are reliable only if they are QR codes: on 300 photos of products zxing-cpp
# detected five false Data Matrix codes and one false PDF417, but no false QR code.
QR_NAME = "QR Code"
_QR_NAMES = frozenset({QR_NAME, "QR Code Model 1", "QR Code Model 2"})


@dataclass(frozen=True)
class Code:
    """One symbol; `box` has its four corners (x, y) in pixels of the picture.

    `rendition` says which version of the picture showed it: `plain`, `half`, or one of
    `ml.vision.screens.code_renditions`.
    """

    format: str
    payload: str
    box: tuple[tuple[int, int], ...]
    two_dimensional: bool
    readable: bool
    rendition: str = "plain"

    @property
    def is_unreadable_qr_code(self) -> bool:
        """Whether it is a QR code that was detected and not read."""
        return not self.readable and self.format in _QR_NAMES


def search_picture(gray: Gray) -> list[Code]:
    """The readable codes of a picture, and unreadable QR codes that overlap no readable code.

    Raises:
        ValueError: zxing-cpp rejects the pixels.
    """
    if max(gray.shape) <= _MAX_FINE_SIDE:
        return merge_codes(detect(gray, _FORMATS))
    # zxing-cpp's own reduction, to a third, would find nothing that the half does not show.
    fine = detect(gray, _FINE_FORMATS, try_downscale=False)
    return merge_codes([*fine, *detect(halve(gray), _FORMATS, scale=0.5, rendition="half")])


def detect(
    gray: Gray,
    formats: str,
    *,
    scale: float = 1.0,
    corner: tuple[int, int] = (0, 0),
    rendition: str = "plain",
    try_downscale: bool = True,
) -> list[Code]:
    """All symbols of a part of a picture, readable or not.

    `scale` is the size of the part relative to the picture, `corner` (x, y) its place there.
    """
    # `try_rotate` also searches for vertical bars and takes more time than all the rest (13 versus
    # 5.5 ms). 2-D codes are found at any rotation without it, and barcodes are evidence only.
    symbols = zxingcpp.read_barcodes(
        gray,
        formats=zxingcpp.barcode_formats_from_str(formats),
        return_errors=True,
        try_rotate=False,
        try_downscale=try_downscale,
    )
    return [_to_code(symbol, scale, corner, rendition) for symbol in symbols]


def merge_codes(codes: Sequence[Code]) -> list[Code]:
    """Each code once: readable ones, and unreadable QR codes outside of these and each other."""
    merged: list[Code] = []
    for code in sorted(codes, key=lambda code: not code.readable):
        if code.readable:
            is_new = all((code.format, code.payload) != (c.format, c.payload) for c in merged)
        else:
            is_new = code.is_unreadable_qr_code and not _is_inside(code, merged)
        if is_new:
            merged.append(code)
    return merged


def _is_inside(code: Code, others: list[Code]) -> bool:
    """Whether the center of a code is in the box of another one."""
    center = np.mean(code.box, axis=0).tolist()
    boxes = (np.asarray(other.box, dtype=np.float32) for other in others)
    return any(cv2.pointPolygonTest(box, center, measureDist=False) >= 0 for box in boxes)


def _to_code(
    symbol: zxingcpp.Barcode, scale: float, corner: tuple[int, int], rendition: str
) -> Code:
    quad = symbol.position
    left, top = corner
    corners = (quad.top_left, quad.top_right, quad.bottom_right, quad.bottom_left)
    return Code(
        format=str(symbol.format),
        payload=symbol.text if symbol.valid else "",
        box=tuple((int(at.x / scale) + left, int(at.y / scale) + top) for at in corners),
        two_dimensional=symbol.format in _MATRIX_FORMATS,
        readable=symbol.valid,
        rendition=rendition,
    )
