"""Read the boxes of an image file (ISO/IEC 14496-12, 23008-12), in time linear in its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

MAX_READS = 200_000  # numbers and boxes of a file; a photo of 800 tiles has 30,000
_MAX_SHARED_BYTES = 2**20  # equal tiles may be stored once
_MAX_REFERENCES = 2**16  # bytes of the box `iref`; a photo of 800 tiles has 4,000

Size = tuple[int, int]
Boxes = list[tuple[bytes, bytes]]


@dataclass
class ReadBudget:
    """How much may still be read of one file: its counts may claim any number of empty entries."""

    reads: int = MAX_READS

    def spend(self, reads: int) -> None:
        """Spend some; raises ValueError when nothing is left."""
        self.reads -= reads
        if self.reads < 0:
            raise ValueError("it has too many entries")


class ByteReader:
    """Big-endian numbers of some bytes; EOFError at their end."""

    def __init__(self, data: bytes, budget: ReadBudget) -> None:
        self._file, self._budget = BytesIO(data), budget
        self.left = len(data)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._budget.spend(1)
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


@dataclass
class Item:
    """An item of the file: its type, its properties in their order, and its bytes."""

    kind: bytes = b""
    properties: Boxes = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    def values(self, kind: bytes) -> list[bytes]:
        """The content of the properties of one type."""
        return [data for found, data in self.properties if found == kind]

    def sizes(self) -> list[Size]:
        """The sizes that its properties `ispe` declare; raises ValueError without one."""
        values = self.values(b"ispe")
        if not values:
            raise ValueError("a picture without a size")
        return [(_uint(data[4:8]), _uint(data[8:12])) for data in values]


@dataclass(frozen=True)
class ItemFile:
    """The items of a file by number; `references` are (type, from, to); the primary's number."""

    items: dict[int, Item]
    references: list[tuple[bytes, int, list[int]]]
    primary: int


def brands(data: bytes) -> bytes:
    """The brands that the file claims, major and others; none if it is no such file."""
    return data[8 : _uint(data[:4])] if data[4:8] == b"ftyp" else b""


def top_boxes(data: bytes, budget: ReadBudget) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of the file up to one that ends early, as a download that was cut."""
    boxes = read_boxes(data, budget)
    while True:
        try:
            yield next(boxes)
        except (StopIteration, EOFError):
            return


def read_items(boxes: Boxes, data: bytes, budget: ReadBudget) -> ItemFile:
    """The items of the box `meta`, with what `iinf`, `iprp`, `iloc`, `iref`, `pitm` say of them.

    Raises ValueError, IndexError or EOFError for what cannot be read.
    """
    # `mini` stands for `meta` in files of a newer kind, which this does not read.
    metas = [content[4:] for kind, content in boxes if kind in (b"meta", b"mini")]
    if len(metas) != 1:
        raise ValueError(f"{len(metas)} boxes `meta` or `mini`")
    meta = list(read_boxes(metas[0], budget))
    kinds = [kind for kind, _ in meta]
    parts = dict(meta)
    if any(kinds.count(kind) != 1 for kind in (b"iinf", b"iprp", b"iloc")):
        raise ValueError("a box is missing or doubled")
    if sum(len(content) for kind, content in meta if kind == b"iref") > _MAX_REFERENCES:
        raise ValueError("it has too many references")
    items = _read_kinds(parts[b"iinf"], budget)
    _read_properties(parts[b"iprp"], items, budget)
    _read_locations(ByteReader(parts[b"iloc"], budget), items, data, parts.get(b"idat", b""))
    references = [r for kind, iref in meta if kind == b"iref" for r in _references(iref, budget)]
    return ItemFile(items, references, _uint(parts.get(b"pitm", b"")[4:8]))


def grid_size(data: bytes, budget: ReadBudget) -> tuple[Size, int]:
    """Size of the picture that a derived item `grid` describes, and the number of its tiles."""
    read = ByteReader(data, budget)
    _, large = read.uint(1), read.uint(1) & 1
    rows, columns = read.uint(1) + 1, read.uint(1) + 1
    side = 4 if large else 2
    return (read.uint(side), read.uint(side)), rows * columns


def _uint(data: bytes) -> int:
    return int.from_bytes(data, "big")


def read_boxes(data: bytes, budget: ReadBudget) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    read = ByteReader(data, budget)
    while read.left:
        size, kind, head = read.uint(4), read.take(4), 8
        if size == 1:
            size, head = read.uint(8), 16
        yield kind, read.take(size - head if size else read.left)


def _references(iref: bytes, budget: ReadBudget) -> Iterator[tuple[bytes, int, list[int]]]:
    read = ByteReader(iref, budget)
    version, _ = read.full_box()
    size = 4 if version else 2
    for kind, content in read_boxes(read.take(read.left), budget):
        entry = ByteReader(content, budget)
        yield kind, entry.uint(size), [entry.uint(size) for _ in range(entry.uint(2))]


def _read_kinds(iinf: bytes, budget: ReadBudget) -> dict[int, Item]:
    read = ByteReader(iinf, budget)
    version, _ = read.full_box()
    read.uint(4 if version else 2)
    items = {}
    for _, content in read_boxes(read.take(read.left), budget):
        entry = ByteReader(content, budget)
        version, _ = entry.full_box()
        number = entry.uint(4 if version > 2 else 2)  # noqa: PLR2004 - the version of the box
        entry.uint(2)
        items[number] = Item(entry.take(4))
    return items


def _read_properties(iprp: bytes, items: dict[int, Item], budget: ReadBudget) -> None:
    parts = list(read_boxes(iprp, budget))
    stores = [data for kind, data in parts if kind == b"ipco"]
    properties = [entry for data in stores for entry in read_boxes(data, budget)]
    for ipma in (data for kind, data in parts if kind == b"ipma"):
        read = ByteReader(ipma, budget)
        version, flags = read.full_box()
        width, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
        for _ in range(read.uint(4)):
            item = items.setdefault(read.uint(4 if version else 2), Item())
            for _ in range(read.uint(1)):
                if index := read.uint(width) & mask:
                    item.properties.append(properties[index - 1])


def _read_locations(read: ByteReader, items: dict[int, Item], file: bytes, idat: bytes) -> None:
    max_bytes = len(file) + _MAX_SHARED_BYTES
    version, _ = read.full_box()
    sizes = read.uint(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> n & 15 for n in (12, 8, 4, 0))
    for _ in range(read.uint(4 if version > 1 else 2)):
        item = items.setdefault(read.uint(4 if version > 1 else 2), Item())
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
