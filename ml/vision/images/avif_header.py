"""Compare the sizes that an AVIF file declares with those of its coded pictures, before a decode.

The container (ISO/IEC 14496-12 and 23008-12) declares the size of each item in a box `ispe`; the
AV1 sequence header has the coded size. A decoder allocates the larger and scales one to the other,
so that a few hundred bytes can claim, or hide, any size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

from ml.core.errors import ImageRejected, QuarantineReason

_SEQUENCES = (b"avis", b"msf1")  # major brands
_SEQUENCE_HEADER = 1  # OBU type
_MAX_BOXES = 10_000  # per file; a photo has tens
_CONFIG_BYTES = 4  # of `av1C` before its OBUs

Size = tuple[int, int]


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
    return item.ispe, [*item.coded, *_coded_sizes(item.data)]


def _grid_size(data: bytes) -> Size:
    read = _Reader(data)
    _, large = read.uint(1), read.uint(1) & 1
    read.uint(2)
    return read.uint(4 if large else 2), read.uint(4 if large else 2)


class _Reader:
    """Big-endian numbers of some bytes; EOFError at their end."""

    def __init__(self, data: bytes) -> None:
        self._file = BytesIO(data)
        self.left = len(data)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if not 0 <= count <= self.left:
            raise EOFError("it ends early")
        self.left -= count
        return self._file.read(count)

    def uint(self, count: int) -> int:
        """The next number, of `count` bytes."""
        return int.from_bytes(self.take(count), "big")

    def full_box(self) -> tuple[int, int]:
        """Version and flags of a box."""
        return self.uint(1), self.uint(3)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    read = _Reader(data)
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
    read = _Reader(iinf)
    version, _ = read.full_box()
    read.uint(4 if version else 2)
    items = {}
    for _, content in _boxes(read.take(read.left)):
        entry = _Reader(content)
        version, _ = entry.full_box()
        number = entry.uint(4 if version > 2 else 2)  # noqa: PLR2004 - the version of the box
        entry.uint(2)
        items[number] = _Item(entry.take(4))
    return items


def _read_properties(iprp: bytes, items: dict[int, _Item]) -> None:
    parts = list(_boxes(iprp))
    properties = [entry for kind, data in parts if kind == b"ipco" for entry in _boxes(data)]
    for ipma in (data for kind, data in parts if kind == b"ipma"):
        read = _Reader(ipma)
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
        item.coded += _coded_sizes(data[_CONFIG_BYTES:])


def _read_locations(iloc: bytes, items: dict[int, _Item], file: bytes, idat: bytes) -> None:
    read = _Reader(iloc)
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


def _coded_sizes(obus: bytes) -> list[Size]:
    """Sizes of all AV1 sequence headers of a stream of OBUs (AV1 specification, 5.3 to 5.5)."""
    sizes, read = [], _Reader(obus)
    while read.left:
        head = read.uint(1)
        if head & 4:
            read.uint(1)  # the extension
        payload = read.take(_leb128(read) if head & 2 else read.left)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            sizes.append(_sequence_size(payload))
    return sizes


def _leb128(read: _Reader) -> int:
    value = 0
    for shift in range(0, 56, 7):
        byte = read.uint(1)
        value |= (byte & 127) << shift
        if not byte & 128:
            return value
    raise ValueError("a length is no number")


def _sequence_size(payload: bytes) -> Size:
    """Largest width and height that a sequence header allows."""
    text = "".join(f"{byte:08b}" for byte in payload[:512])
    position = 0

    def bits(count: int) -> int:
        nonlocal position
        position += count
        if position > len(text):
            raise EOFError("the sequence header ends early")
        return int(text[position - count : position] or "0", 2)

    bits(4)  # profile and still_picture
    if bits(1):  # reduced_still_picture_header
        bits(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits(4) + 1, bits(4) + 1
    return bits(width_bits) + 1, bits(height_bits) + 1


def _skip_operating_points(bits: Callable[[int], int]) -> None:
    delay_bits = _skip_timing(bits) if bits(1) else 0
    display_delay = bits(1)
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:  # noqa: PLR2004 - from this level on there is a tier
            bits(1)
        if delay_bits and bits(1):
            bits(2 * delay_bits + 1)
        if display_delay and bits(1):
            bits(4)


def _skip_timing(bits: Callable[[int], int]) -> int:
    """Skip the timing info; returns the bits of a buffer delay, 0 without a decoder model."""
    bits(64)
    if bits(1):  # a number in Exp-Golomb code
        zeros = 0
        while not bits(1):
            zeros += 1
        bits(zeros)
    if not bits(1):
        return 0
    delay_bits = bits(5) + 1
    bits(42)
    return delay_bits
