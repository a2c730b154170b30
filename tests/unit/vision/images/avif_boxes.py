"""AVIF and HEIC files built box by box (ISO/IEC 14496-12, 23008-12), as no encoder writes them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pillow_heif
from PIL import Image

Size = tuple[int, int]


def number(value: int, size: int = 2) -> bytes:
    """Return a big-endian number."""
    return value.to_bytes(size, "big")


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box."""
    body = b"".join(content)
    return number(len(body) + 8, 4) + kind + body


def encode(size: Size, **options: object) -> bytes:
    """Return a file of Pillow's encoder."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, "AVIF", speed=10, **options)  # type: ignore[arg-type]  # options of the encoder
    return out.getvalue()


def encode_heif(image: Image.Image, **options: object) -> bytes:
    """Return a HEIC file of libheif's encoder."""
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, **options)
    return out.getvalue()


@dataclass(frozen=True)
class Coding:
    """How the pictures of a file are coded."""

    brand: bytes
    item: bytes
    config: bytes
    encode: Callable[[Size], bytes]


AV1 = Coding(b"avif", b"av01", b"av1C", encode)
HEVC = Coding(
    b"heic", b"hvc1", b"hvcC", lambda size: encode_heif(Image.new("RGB", size, (200, 30, 30)))
)


@dataclass
class AvifFile:
    """Tiles of one coded picture of `coded` pixels: the only item, or those of a grid.

    `extents` replaces the extents of the box `iloc` by (items, extents of each, of that many
    bytes); `padding` are bytes after the picture.
    """

    coded: Size = (64, 64)
    tile: Size = (64, 64)
    grid: Size | None = (128, 64)  # as the grid says
    ispe: Size = (128, 64)  # as its property says
    tiles: Size = (2, 1)
    extents: tuple[int, int, int] | None = None
    padding: bytes = b""
    references: Sequence[int] = field(default=())
    coding: Coding = AV1

    def build(self) -> bytes:
        """Return the file."""
        picture = self.coding.encode(self.coded)
        at = picture.index(self.coding.config) - 4
        config = picture[at : at + int.from_bytes(picture[at : at + 4], "big")]
        data = picture[picture.index(b"mdat") + 4 :]
        brand = self.coding.brand
        head = box(b"ftyp", brand, number(0, 4), brand, b"mif1miaf")
        start = len(head) + len(self._meta(config, 0, len(data))) + 8
        return head + self._meta(config, start, len(data)) + box(b"mdat", data, self.padding)

    def _meta(self, config: bytes, start: int, length: int) -> bytes:
        columns, rows = self.tiles
        tiles = range(2, 2 + columns * rows)
        grid = number(rows - 1, 1) + number(columns - 1, 1)
        output = b"".join(map(number, self.grid or (0, 0)))
        return box(
            b"meta",
            number(0, 4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", number(0, 4), number(1 if self.grid else 2)),
            self._locations(tiles, start, length),
            box(b"iinf", number(0, 4), number(1 + len(tiles)), *_entries(tiles, self.coding.item)),
            box(
                b"iref",
                number(0, 4),
                box(b"dimg", number(1), number(len(tiles)), *map(number, tiles)),
                *(box(b"cdsc", number(n), number(1), number(1)) for n in self.references),
            ),
            box(
                b"iprp",
                box(b"ipco", _ispe(self.ispe), _ispe(self.tile), config),
                box(
                    b"ipma",
                    number(0, 4),
                    number(1 + len(tiles), 4),
                    number(1) + b"\1\1",
                    *(number(tile) + b"\2\2\x83" for tile in tiles),
                ),
            ),
            box(b"idat", b"" if self.extents else bytes(2) + grid + output),
        )

    def _locations(self, tiles: range, start: int, length: int) -> bytes:
        entries = [number(1) + number(1) + number(0) + number(1) + number(0, 4) + number(8, 4)]
        entries += [
            number(tile) + bytes(4) + number(1) + number(start, 4) + number(length, 4)
            for tile in tiles
        ]
        sizes = b"\x44\0"
        if self.extents is not None:
            items, extents, size = self.extents
            extent = b"" if size == 0 else number(start, 4) + number(size, 4)
            sizes = sizes if size else bytes(2)
            method = number(0 if size else 1)  # without bytes: in `idat`
            entries = [
                number(item) + method + number(0) + number(extents) + extents * extent
                for item in range(2, 2 + items)
            ]
        return box(b"iloc", number(1 << 24, 4), sizes, number(len(entries)), *entries)


def _entries(tiles: range, item: bytes) -> list[bytes]:
    kinds = [(1, b"grid"), *((tile, item) for tile in tiles)]
    return [
        box(b"infe", number(2 << 24, 4), number(entry), number(0), kind, b"\0")
        for entry, kind in kinds
    ]


def _ispe(size: Size) -> bytes:
    return box(b"ispe", number(0, 4), *(number(side, 4) for side in size))
