"""Check the sizes of an AVIF image sequence before a decode, as those of a still picture.

The frames are samples of tracks (ISO/IEC 14496-12), whose description declares a size; each sample
can have an AV1 sequence header of its own.
"""

from collections.abc import Callable, Iterator

from ml.vision.images.av1_sequence import coded_sizes
from ml.vision.images.item_boxes import Boxes, ByteReader, ReadBudget, Size, read_boxes

_SIZE_AT = 24  # bytes of a description before its width and height
_DESCRIPTION_BYTES = 78  # of a description before its boxes
_CONFIG_BYTES = 4  # of `av1C` before its OBUs


def read_track_sizes(
    moov: bytes, data: bytes, budget: ReadBudget
) -> Iterator[tuple[Size, list[Size]]]:
    """Declared size and coded sizes of each track of a file.

    Raises ValueError, IndexError or EOFError for what cannot be read.
    """
    tracks = [content for kind, content in read_boxes(moov, budget) if kind == b"trak"]
    if not tracks:
        raise ValueError("a sequence without tracks")
    for track in tracks:
        table = dict(read_boxes(_inner(track, (b"mdia", b"minf", b"stbl"), budget), budget))
        declared, config = _read_description(table[b"stsd"], budget)
        sizes = coded_sizes(config, budget)
        for sample in _samples(table, data, budget):
            sizes += coded_sizes(sample, budget)
        yield declared, sizes


def _inner(content: bytes, path: tuple[bytes, ...], budget: ReadBudget) -> bytes:
    """The content of boxes in each other, of which there must be one each."""
    for wanted in path:
        [content] = [inner for kind, inner in read_boxes(content, budget) if kind == wanted]
    return content


def _read_description(stsd: bytes, budget: ReadBudget) -> tuple[Size, bytes]:
    """The declared size and the OBUs of the configuration."""
    [(kind, entry)] = read_boxes(stsd[8:], budget)
    if kind != b"av01":
        raise ValueError(f"a track of the type {kind!r}")
    read = ByteReader(entry[_SIZE_AT:], budget)
    size = read.uint(2), read.uint(2)
    if any(kind == b"clap" for kind, _ in read_boxes(entry[_DESCRIPTION_BYTES:], budget)):
        raise ValueError("frames that are cropped")
    config = _inner(entry[_DESCRIPTION_BYTES:], (b"av1C",), budget)
    return size, config[_CONFIG_BYTES:]


def _samples(table: dict[bytes, bytes], data: bytes, budget: ReadBudget) -> Iterator[bytes]:
    """The bytes of each sample, as the tables of sizes, chunks and offsets say."""
    sizes = iter(_sample_sizes(table[b"stsz"], budget))
    offsets = _chunk_offsets(table, budget)
    left = len(data)
    for offset, count in zip(offsets, _chunk_counts(table, len(offsets), budget), strict=True):
        at = offset
        for _ in range(count):
            budget.spend(1)
            size = next(sizes, 0)
            left -= size
            if left < 0 or at + size > len(data):
                raise EOFError("its frames are larger than the file")
            yield data[at : at + size]
            at += size
    if next(sizes, None) is not None:
        raise ValueError("frames without a place")


def _sample_sizes(stsz: bytes, budget: ReadBudget) -> list[int]:
    read = ByteReader(stsz, budget)
    read.full_box()
    size, count = read.uint(4), read.uint(4)
    if size:
        budget.spend(count)
        return [size] * count
    return [read.uint(4) for _ in range(count)]


def _chunk_offsets(table: dict[bytes, bytes], budget: ReadBudget) -> list[int]:
    width = 8 if b"co64" in table else 4
    read = ByteReader(table[b"co64" if width == 8 else b"stco"], budget)  # noqa: PLR2004 - bytes
    read.full_box()
    return [read.uint(width) for _ in range(read.uint(4))]


def _chunk_counts(table: dict[bytes, bytes], chunks: int, budget: ReadBudget) -> Iterator[int]:
    """The number of samples of each chunk."""
    read = ByteReader(table[b"stsc"], budget)
    read.full_box()
    runs = [(read.uint(4), read.uint(4), read.uint(4)) for _ in range(read.uint(4))]
    firsts = [first for first, _, _ in runs]
    if firsts[:1] != [1] or firsts != sorted(set(firsts)):
        raise ValueError("its chunks are not numbered in order")
    for (first, count, _), end in zip(runs, [*firsts[1:], chunks + 1], strict=True):
        for _ in range(end - first):
            yield count


Check = Callable[[int, int], None]


def check_tracks(boxes: Boxes, data: bytes, check: Check, budget: ReadBudget) -> None:
    """Check the sizes of all tracks; `check(width, height)` raises for one that is not allowed.

    Raises ValueError if sizes contradict each other, and as `read_track_sizes`.
    """
    for moov in (content for kind, content in boxes if kind == b"moov"):
        for declared, coded in read_track_sizes(moov, data, budget):
            for size in (declared, *coded):
                check(*size)
            if not coded or any(size != declared for size in coded):
                raise ValueError(f"a track declares {declared} pixels, its frames have {coded[:2]}")
