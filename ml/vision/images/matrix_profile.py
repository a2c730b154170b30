"""ICC profiles of primaries and a gamma (ICC.1:2010), for files that declare these without one."""

import struct

import numpy as np
import numpy.typing as npt

Chromaticity = tuple[float, float]  # CIE x and y

# Of sRGB (IEC 61966-2-1): white, red, green, blue.
SRGB_CHROMATICITIES: tuple[Chromaticity, ...] = (
    (0.3127, 0.329),
    (0.64, 0.33),
    (0.3, 0.6),
    (0.15, 0.06),
)

_D50 = np.array([0.9642, 1.0, 0.8249])  # the white of ICC's connection space
_BRADFORD = np.array(  # the adaptation that ICC.1:2010, annex E, recommends
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_HEADER_BYTES, _TAG_BYTES = 128, 12
_MAX_NUMBER = 32_000.0  # s15Fixed16Number

Matrix = npt.NDArray[np.float64]


def make_matrix_profile(exponent: float, chromaticities: tuple[Chromaticity, ...]) -> bytes:
    """A profile of RGB values to the power of `exponent`, with white, red, green and blue.

    Raises:
        ValueError: the numbers describe no colors.
    """
    columns = _to_d50(chromaticities)
    if not (np.isfinite(columns).all() and np.abs(columns).max() < _MAX_NUMBER):
        raise ValueError("the primaries describe no colors")
    if not 2**-16 <= exponent < _MAX_NUMBER:
        raise ValueError("the gamma is out of range")
    curve = b"para" + bytes(8) + _fixed(exponent)  # function type 0
    tags = {b"wtpt": _xyz(_D50)}
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags[name + b"XYZ"] = _xyz(column)
        tags[name + b"TRC"] = curve
    return _profile(tags)


def _to_d50(chromaticities: tuple[Chromaticity, ...]) -> Matrix:
    """XYZ of the primaries, in columns, adapted to D50."""
    white, *primaries = (_from_xy(*xy) for xy in chromaticities)
    try:
        columns = np.array(primaries).T
        scaled = columns * np.linalg.solve(columns, white)
        cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
        adapted: Matrix = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ scaled
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise ValueError("the primaries describe no colors") from error
    return adapted


def _from_xy(x: float, y: float) -> Matrix:
    if y <= 0:
        raise ValueError("a chromaticity without luminance")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def _xyz(values: Matrix) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values.tolist()))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    start = _HEADER_BYTES + 4 + _TAG_BYTES * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    version, white = b"\x04\x30\x00\x00", b"".join(map(_fixed, _D50.tolist()))
    header = struct.pack(">I", start + len(body)) + bytes(4) + version + b"mntrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + white
    return header.ljust(_HEADER_BYTES, b"\x00") + table + body
