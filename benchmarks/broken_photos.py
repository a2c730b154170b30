"""Broken HEIC, AVIF, GIF, APNG and WebP files, each the same for the same number."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO

import pillow_heif
from PIL import Image

from benchmarks.as_shown_drawing import drawn, encoded, transparent

Span = tuple[int, int]  # start and end of a box, chunk or block

_CONTAINERS = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iref": 12, b"moov": 8, b"trak": 8}
_LIES = (0, 1, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_SMALL = (96, 72)
_MAX_FLIPS, _MAX_CHANGES = 12, 3


def make_broken(number: int) -> tuple[str, bytes]:
    """Format and bytes of one file."""
    draw = random.Random(number)
    file_format = sorted(_SPANS)[number % len(_SPANS)]
    originals = _originals()[file_format]
    data = draw.choice(originals)
    for _ in range(draw.choice((1, 1, 1, _MAX_CHANGES))):
        change = draw.choice((_flip, _flip, _flip, _flip, _cut, _operate, _lie, _lie))
        data = change(data, _SPANS[file_format](data), draw)
    if file_format == "APNG" and draw.random() < 0.7:
        data = _with_checksums(data)
    return file_format, data


def _flip(data: bytes, _spans: list[Span], draw: random.Random) -> bytes:
    changed = bytearray(data)
    first = draw.choice((0, len(data) // 2))  # pixels come last
    for _ in range(draw.choice((1, 2, _MAX_FLIPS))):
        changed[draw.randrange(first, len(changed))] = draw.randrange(256)
    return bytes(changed)


def _cut(data: bytes, _spans: list[Span], draw: random.Random) -> bytes:
    return data[: draw.randint(len(data) // 8, len(data))] or data


def _operate(data: bytes, spans: list[Span], draw: random.Random) -> bytes:
    """Remove, double, move or empty a part."""
    if not spans:
        return data
    start, end = draw.choice(spans)
    target, _ = draw.choice(spans)
    part, rest = data[start:end], data[:start] + data[end:]
    return draw.choice(
        (
            rest,
            data[:end] + part * draw.choice((1, 2, 200)) + data[end:],
            rest[:target] + part + rest[target:],
            data[:start] + bytes(len(part)) + data[end:],
        )
    )


def _lie(data: bytes, spans: list[Span], draw: random.Random) -> bytes:
    """Overwrite a number near the beginning of a part: its size, a width, a count."""
    start, end = draw.choice(spans) if spans else (0, len(data))
    size = draw.choice((1, 2, 4))
    at = min(start + draw.choice((0, 4, 8, 12, 16, 20)), max(end - size, start))
    value = draw.choice((*_LIES, 2 * (end - start), draw.randrange(2**32))) % (1 << 8 * size)
    number = value.to_bytes(size, "little" if data.startswith((b"RIFF", b"GIF")) else "big")
    return data[:at] + number + data[at + size :]


def _boxes(data: bytes) -> list[Span]:
    return list(_walk_boxes(data, 0, len(data)))


def _walk_boxes(data: bytes, start: int, end: int) -> Iterator[Span]:
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        stop = min(start + size, end) if size >= 8 else end
        yield start, stop
        if kind in _CONTAINERS:
            yield from _walk_boxes(data, start + _CONTAINERS[kind], stop)
        start = stop


def _chunks(data: bytes, start: int, *, order: str, extra: int) -> list[Span]:
    """Chunks of a PNG file (size, type, content, checksum) or a RIFF one (type, size, content)."""
    spans: list[Span] = []
    while start + 8 <= len(data) and len(spans) < 1000:
        at = start if order == ">I" else start + 4
        (size,) = struct.unpack(order, data[at : at + 4])
        end = min(start + 8 + size + (size & 1 if order == "<I" else 0) + extra, len(data))
        spans.append((start, end))
        start = end
    return spans


def _blocks(data: bytes) -> list[Span]:
    """Places of a GIF file at which a block may begin."""
    marks = [at for at in range(6, len(data)) if data[at : at + 1] in (b"!", b",")]
    return list(zip(marks, [*marks[1:], len(data)], strict=True)) or [(0, len(data))]


_SPANS: dict[str, Callable[[bytes], list[Span]]] = {
    "APNG": lambda data: _chunks(data, 8, order=">I", extra=4),
    "AVIF": _boxes,
    "GIF": _blocks,
    "HEIC": _boxes,
    "WEBP": lambda data: _chunks(data, 12, order="<I", extra=0),
}


def _with_checksums(data: bytes) -> bytes:
    parts = [data[:8]]
    for start, end in _chunks(data, 8, order=">I", extra=4):
        body = data[start + 4 : max(end - 4, start + 4)]
        parts.append(data[start : start + 4] + body + struct.pack(">I", zlib.crc32(body)))
    return b"".join(parts)


@cache
def _originals() -> dict[str, list[bytes]]:
    """A few whole files of each format."""
    photos = [drawn(_SMALL, turn=turn) for turn in range(3)]
    clear = transparent().resize(_SMALL)
    frames = {"save_all": True, "append_images": photos[1:], "duration": 90}
    gif = [encoded(photos[0], "GIF"), encoded(photos[0], "GIF", **frames), encoded(clear, "GIF")]
    png = [encoded(photos[0], "PNG", **frames), encoded(clear, "PNG", **frames)]
    webp = [
        encoded(image, "WEBP", lossless=lossless)
        for image in (photos[0], clear)
        for lossless in (True, False)
    ]
    avif = [encoded(image, "AVIF", speed=10) for image in (photos[0], clear)]
    return {
        "APNG": [*png, encoded(photos[0].quantize(16), "PNG", default_image=True, **frames)],
        "AVIF": [*avif, encoded(photos[0], "AVIF", speed=10, **frames)],
        "GIF": gif,
        "HEIC": _heic_files(photos, clear),
        "WEBP": [*webp, encoded(photos[0], "WEBP", **frames)],
    }


def _heic_files(photos: list[Image.Image], clear: Image.Image) -> list[bytes]:
    files = [pillow_heif.from_pillow(image) for image in (photos[0], clear, photos[1].convert("L"))]
    files.append(pillow_heif.from_pillow(photos[0].resize((65, 33))))
    deep = bytes(byte for value in photos[0].tobytes() for byte in (0, value))
    files.append(pillow_heif.from_bytes("RGB;16", photos[0].size, deep))
    several = pillow_heif.from_pillow(photos[0])
    for image in photos[1:]:
        several.add_from_pillow(image)
    written = []
    for file in (*files, several):
        out = BytesIO()
        file.save(out, quality=60)
        written.append(out.getvalue())
    return written
