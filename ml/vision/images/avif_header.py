"""Compare the sizes that an AVIF file declares with those of its coded pictures, before a decode.

The container (ISO/IEC 14496-12 and 23008-12) declares the size of each item in a box `ispe`; the
AV1 sequence header has the coded size. A decoder allocates the larger and scales one to the other,
so that a few hundred bytes can claim, or hide, any size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.av1_sequence import ByteReader, Size, coded_sizes

_SEQUENCES = (b"avis", b"msf1")  # major brands
_MAX_BOXES = 10_000  # per file; a photo has tens
_CONFIG_BYTES = 4  # of `av1C` before its OBUs


@dataclass
class _Item:
    """An item of the file: its type, its properties, and its bytes."""

    kind: bytes = b""
    ispe: list[Size] = field(default_factory=list)
    coded: list[Size] = field(default_factory=list)  # of the OBUs in `av1C`
    data: bytes = b""


def check_avif_sizes(data: bytes, check: Callable[[int, int], None]) -> None:
    """Check declared and coded sizes of an AVIF file.

    `check(width, height)` raises for a size that is not allowed. It gets every size in the file,
    before they are compared.

    Raises:
        ImageRejected: `animated` for an image sequence; `corrupt` if sizes contradict each other
            or cannot be read.
    """
    if data[8:12] in _SEQUENCES:
        raise ImageRejected(QuarantineReason.ANIMATED, "an image sequence: only one would be seen")
    try:
        sizes = [_sizes(item) for item in _read_items(data) if item.kind in (b"av01", b"grid")]
    except (IndexError, ValueError, EOFError) as error:
        detail = f"the boxes of the AVIF file cannot be read: {error}"
        raise ImageRejected(QuarantineReason.CORRUPT, detail) from error
    for declared, coded in sizes:
        for width, height in (*declared, *coded):
            check(width, height)
        if not coded or any(size != declared[0] for size in (*declared, *coded)):
            detail = f"the file declares {declared[:2]} pixels, its picture has {coded[:2]}"
            raise ImageRejected(QuarantineReason.CORRUPT, detail)


def _sizes(item: _Item) -> tuple[list[Size], list[Size]]:
    """Declared and coded sizes of an item."""
    if not item.ispe:
        raise ValueError("a picture without a size")
    if item.kind == b"grid":
        return item.ispe, [_grid_size(item.data)]
    return item.ispe, [*item.coded, *coded_sizes(item.data)]


def _grid_size(data: bytes) -> Size:
    read = ByteReader(data)
    _, large = read.uint(1), read.uint(1) & 1
    read.uint(2)
    return read.uint(4 if large else 2), read.uint(4 if large else 2)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    read = ByteReader(data)
    for _ in range(_MAX_BOXES):
        if not read.left:
            return
        size, kind, head = read.uint(4), read.take(4), 8
        if size == 1:
            size, head = read.uint(8), 16
        yield kind, read.take(size - head if size else read.left)
    raise ValueError("too many boxes")


def _read_items(data: bytes) -> list[_Item]:
    """The items of the box `meta`, with what `iinf`, `iprp` and `iloc` say about them."""
    metas = [content[4:] for kind, content in _top_boxes(data) if kind == b"meta"]
    if len(metas) != 1:
        raise ValueError(f"{len(metas)} boxes `meta`")
    meta = list(_boxes(metas[0]))
    kinds = [kind for kind, _ in meta]
    parts = dict(meta)
    if any(kinds.count(kind) != 1 for kind in (b"iinf", b"iprp", b"iloc")):
        raise ValueError("a box is missing or doubled")
    items = _read_kinds(parts[b"iinf"])
    _read_properties(parts[b"iprp"], items)
    _read_locations(parts[b"iloc"], items, data, parts.get(b"idat", b""))
    return list(items.values())


def _top_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of the file up to one that ends early, as a download that was cut."""
    boxes = _boxes(data)
    while True:
        try:
            yield next(boxes)
        except (StopIteration, EOFError):
            return


def _read_kinds(iinf: bytes) -> dict[int, _Item]:
    read = ByteReader(iinf)
    version, _ = read.full_box()
    read.uint(4 if version else 2)
    items = {}
    for _, content in _boxes(read.take(read.left)):
        entry = ByteReader(content)
        version, _ = entry.full_box()
        number = entry.uint(4 if version > 2 else 2)  # noqa: PLR2004 - the version of the box
        entry.uint(2)
        items[number] = _Item(entry.take(4))
    return items


def _read_properties(iprp: bytes, items: dict[int, _Item]) -> None:
    parts = list(_boxes(iprp))
    properties = [entry for kind, data in parts if kind == b"ipco" for entry in _boxes(data)]
    for ipma in (data for kind, data in parts if kind == b"ipma"):
        read = ByteReader(ipma)
        version, flags = read.full_box()
        width, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
        for _ in range(read.uint(4)):
            item = items.setdefault(read.uint(4 if version else 2), _Item())
            for _ in range(read.uint(1)):
                if index := read.uint(width) & mask:
                    _add_property(item, *properties[index - 1])


def _add_property(item: _Item, kind: bytes, data: bytes) -> None:
    if kind == b"ispe":
        item.ispe.append((int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")))
    elif kind == b"av1C":
        item.coded += coded_sizes(data[_CONFIG_BYTES:])


def _read_locations(iloc: bytes, items: dict[int, _Item], file: bytes, idat: bytes) -> None:
    read = ByteReader(iloc)
    version, _ = read.full_box()
    sizes = read.uint(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> n & 15 for n in (12, 8, 4, 0))
    for _ in range(read.uint(4 if version > 1 else 2)):
        item = items.setdefault(read.uint(4 if version > 1 else 2), _Item())
        method = read.uint(2) & 15 if version else 0
        source = (file, idat)[method]
        read.uint(2)  # the file of the data: 0, this one
        base = read.uint(base_bytes)
        for _ in range(read.uint(2)):
            read.uint(index_bytes if version else 0)
            start, length = base + read.uint(offset_bytes), read.uint(length_bytes)
            end = start + length if length else len(source)
            if len(item.data) + max(0, end - start) > len(file):
                raise ValueError("an item is larger than the file")
            item.data += source[start:end]
