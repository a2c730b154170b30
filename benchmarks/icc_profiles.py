"""ICC profiles made by hand (ICC.1:2010): any primaries, any tone curve, grey, and CMYK."""

import struct
from collections.abc import Sequence

import numpy as np

Column = tuple[float, float, float]

# Columns of the matrix from linear RGB to XYZ under D50, and the gammas of the profiles.
SRGB: tuple[Column, ...] = (
    (0.4361, 0.2225, 0.0139),
    (0.3851, 0.7169, 0.0971),
    (0.1431, 0.0606, 0.7141),
)
DISPLAY_P3: tuple[Column, ...] = (
    (0.5151, 0.2412, -0.0011),
    (0.2920, 0.6922, 0.0419),
    (0.1571, 0.0666, 0.7841),
)
ADOBE_RGB: tuple[Column, ...] = (
    (0.6097, 0.3111, 0.0195),
    (0.2053, 0.6257, 0.0609),
    (0.1492, 0.0632, 0.7446),
)
_WHITE: Column = (0.9642, 1.0, 0.8249)  # D50
_GRID = 9  # points of each ink in the table of a CMYK profile
_HEADER_BYTES, _ENTRY_BYTES = 128, 12


def matrix_profile(columns: Sequence[Column], gamma: float | Sequence[int]) -> bytes:
    """Return an RGB profile; `gamma` is an exponent, or the 16-bit values of a table."""
    curve = _curve(gamma)
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(column) for name, column in zip(names, columns, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def gray_profile(gamma: float) -> bytes:
    """Return a profile for grey pictures."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile(full: Sequence[Column]) -> bytes:
    """Return a CMYK profile; `full` is what each of the four inks takes from white, L, a, b."""
    head = bytes((4, 3, _GRID, 0)) + b"".join(map(_fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    inks = np.stack(np.meshgrid(*[np.linspace(0, 1, _GRID)] * 4, indexing="ij"), axis=-1)
    values = np.array((255, 128, 128)) - inks.reshape(-1, 4) @ np.array(full)
    line, table = bytes(range(256)), np.clip(values, 0, 255).astype(np.uint8).tobytes()
    data = b"mft1" + bytes(4) + head + 4 * line + table + 3 * line
    return _profile(b"CMYK", b"Lab ", {b"A2B0": data})


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    texts = {b"desc": _description(), b"cprt": b"text" + bytes(4) + b"none\0"}
    tags = texts | {b"wtpt": _xyz(_WHITE)} | tags
    entries, body = b"", b""
    start = _HEADER_BYTES + 4 + _ENTRY_BYTES * len(tags)
    for name, value in tags.items():
        entries += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4sI", start + len(body), b"none", 0x02400000) + kind + space + connection
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_WHITE)[8:]
    return head.ljust(_HEADER_BYTES, b"\0") + struct.pack(">I", len(tags)) + entries + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(column: Column) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, column))


def _curve(gamma: float | Sequence[int]) -> bytes:
    if isinstance(gamma, Sequence):
        return b"curv" + bytes(4) + struct.pack(f">I{len(gamma)}H", len(gamma), *gamma)
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _description() -> bytes:
    text = b"made by hand\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
