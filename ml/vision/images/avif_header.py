"""Compare the sizes that an AVIF file declares with those of its coded pictures, before a decode.

The container (ISO/IEC 14496-12 and 23008-12) declares the size of each item in a box `ispe`; the
AV1 sequence header has the coded size. A decoder allocates the larger and scales one to the other,
so that a few hundred bytes can claim, or hide, any size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.av1_sequence import ByteReader, ReadBudget, Size, coded_sizes

_SEQUENCES = (b"avis", b"msf1")  # major brands
_BRANDS = (b"avif", b"avis")
_MAX_SHARED_BYTES = 2**20  # equal tiles may be stored once
_MAX_REFERENCES = 2**16  # bytes of the box `iref`; a photo of 800 tiles has 4,000
_CONFIG_BYTES = 4  # of `av1C` before its OBUs


@dataclass
class _Item:
    """An item of the file: its type, its properties, and its bytes."""

    kind: bytes = b""
    ispe: list[Size] = field(default_factory=list)
    coded: list[Size] = field(default_factory=list)  # of the OBUs in `av1C`
    parts: list[bytes] = field(default_factory=list)


def is_avif(data: bytes) -> bool:
    """Whether the file says that it is AVIF, whatever it contains."""
    brands = data[8 : int.from_bytes(data[:4], "big")]
    return data[4:8] == b"ftyp" and any(brand in brands for brand in _BRANDS)


def check_avif_sizes(data: bytes, check: Callable[[int, int], None]) -> None:
    """Check declared and coded sizes of an AVIF file, in time and memory linear in its bytes.

    Decoders themselves need not be: libavif takes a MiB for every eight bytes of some headers.

    `check(width, height)` raises for a size that is not allowed. It gets every size in the file,
    before they are compared.

    Raises:
        ImageRejected: `animated` for a file with an image sequence, even next to a still picture;
            `corrupt` if sizes contradict each other or cannot be read.
    """
    budget = ReadBudget()
    try:
        boxes = list(_top_boxes(data, budget))
        if data[8:12] in _SEQUENCES or any(kind == b"moov" for kind, _ in boxes):
            detail = "an image sequence: only one picture would be seen"
            raise ImageRejected(QuarantineReason.ANIMATED, detail)
        items = _read_items(boxes, data, budget)
        sizes = [_sizes(item, budget) for item in items if item.kind in (b"av01", b"grid")]
    except (IndexError, ValueError, EOFError) as error:
        detail = f"the boxes of the AVIF file cannot be read: {error}"
        raise ImageRejected(QuarantineReason.CORRUPT, detail) from error
    for declared, coded in sizes:
        for width, height in (*declared, *coded):
            check(width, height)
        if not coded or any(size != declared[0] for size in (*declared, *coded)):
            detail = f"the file declares {declared[:2]} pixels, its picture has {coded[:2]}"
            raise ImageRejected(QuarantineReason.CORRUPT, detail)


def _sizes(item: _Item, budget: ReadBudget) -> tuple[list[Size], list[Size]]:
    """Declared and coded sizes of an item."""
    if not item.ispe:
        raise ValueError("a picture without a size")
    data = b"".join(item.parts)
    if item.kind == b"grid":
        return item.ispe, [_grid_size(data, budget)]
    return item.ispe, [*item.coded, *coded_sizes(data, budget)]


def _grid_size(data: bytes, budget: ReadBudget) -> Size:
    read = ByteReader(data, budget)
    _, large = read.uint(1), read.uint(1) & 1
    read.uint(2)
    return read.uint(4 if large else 2), read.uint(4 if large else 2)


def _boxes(data: bytes, budget: ReadBudget) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    read = ByteReader(data, budget)
    while read.left:
        size, kind, head = read.uint(4), read.take(4), 8
        if size == 1:
            size, head = read.uint(8), 16
        yield kind, read.take(size - head if size else read.left)


def _read_items(boxes: list[tuple[bytes, bytes]], data: bytes, budget: ReadBudget) -> list[_Item]:
    """The items of the box `meta`, with what `iinf`, `iprp` and `iloc` say about them."""
    metas = [content[4:] for kind, content in boxes if kind == b"meta"]
    if len(metas) != 1:
        raise ValueError(f"{len(metas)} boxes `meta`")
    meta = list(_boxes(metas[0], budget))
    kinds = [kind for kind, _ in meta]
    parts = dict(meta)
    if any(kinds.count(kind) != 1 for kind in (b"iinf", b"iprp", b"iloc")):
        raise ValueError("a box is missing or doubled")
    if sum(len(content) for kind, content in meta if kind == b"iref") > _MAX_REFERENCES:
        raise ValueError("it has too many references")
    items = _read_kinds(parts[b"iinf"], budget)
    _read_properties(parts[b"iprp"], items, budget)
    _read_locations(ByteReader(parts[b"iloc"], budget), items, data, parts.get(b"idat", b""))
    return list(items.values())


def _top_boxes(data: bytes, budget: ReadBudget) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of the file up to one that ends early, as a download that was cut."""
    boxes = _boxes(data, budget)
    while True:
        try:
            yield next(boxes)
        except (StopIteration, EOFError):
            return


def _read_kinds(iinf: bytes, budget: ReadBudget) -> dict[int, _Item]:
    read = ByteReader(iinf, budget)
    version, _ = read.full_box()
    read.uint(4 if version else 2)
    items = {}
    for _, content in _boxes(read.take(read.left), budget):
        entry = ByteReader(content, budget)
        version, _ = entry.full_box()
        number = entry.uint(4 if version > 2 else 2)  # noqa: PLR2004 - the version of the box
        entry.uint(2)
        items[number] = _Item(entry.take(4))
    return items


def _read_properties(iprp: bytes, items: dict[int, _Item], budget: ReadBudget) -> None:
    parts = list(_boxes(iprp, budget))
    stores = [data for kind, data in parts if kind == b"ipco"]
    properties = [entry for data in stores for entry in _boxes(data, budget)]
    for ipma in (data for kind, data in parts if kind == b"ipma"):
        read = ByteReader(ipma, budget)
        version, flags = read.full_box()
        width, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
        for _ in range(read.uint(4)):
            item = items.setdefault(read.uint(4 if version else 2), _Item())
            for _ in range(read.uint(1)):
                if index := read.uint(width) & mask:
                    _add_property(item, *properties[index - 1], budget)


def _add_property(item: _Item, kind: bytes, data: bytes, budget: ReadBudget) -> None:
    if kind == b"ispe":
        item.ispe.append((int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")))
    elif kind == b"av1C":
        item.coded += coded_sizes(data[_CONFIG_BYTES:], budget)


def _read_locations(read: ByteReader, items: dict[int, _Item], file: bytes, idat: bytes) -> None:
    max_bytes = len(file) + _MAX_SHARED_BYTES
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
            item.parts.append(source[start : start + length if length else len(source)])
            max_bytes -= len(item.parts[-1])
            if max_bytes < 0:
                raise ValueError("its items are larger than the file")
