"""Check the sizes and the work of a HEIF file (HEIC: coded by HEVC), before a decode.

The container declares the size of each item, as that of an AVIF file does; the sequence parameter
sets of the HEVC stream have the coded sizes. Grids, copies and alpha channels name other items, any
number of times.
"""

from collections import defaultdict
from collections.abc import Callable

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.avif_header import is_avif
from ml.vision.images.hevc_sequence import read_hevc
from ml.vision.images.item_boxes import (
    Item,
    ItemFile,
    ReadBudget,
    brands,
    grid_size,
    read_items,
    top_boxes,
)

_SEQUENCES = (b"msf1", b"hevc", b"hevx", b"hevm", b"hevs")  # major brands
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", *_SEQUENCES)
_CODED, _GRID, _COPY = _ACCEPTED = b"hvc1", b"grid", b"iden"
_MAX_PADDING = 64  # pixels of a side that the coding may add: the largest block

# Pixels to decode for one of the picture: itself, an alpha channel, and the margins of its tiles.
_MAX_WORK, _FREE_WORK = 4, 4_000_000
_MIN_WORK = 65_536  # of a picture: each has a decoder of its own
_MAX_DEPTH = 4  # a copy of a grid of pictures with alpha channels


def is_heif(data: bytes) -> bool:
    """Whether the file says that it is HEIF, and not AVIF, whatever it contains."""
    return not is_avif(data) and any(brand in brands(data) for brand in _BRANDS)


def check_heif_sizes(data: bytes, check: Callable[[int, int], None]) -> None:
    """Check declared and coded sizes of a HEIF file, in time and memory linear in its bytes.

    `check(width, height)` raises for a size that is not allowed. It gets every size in the file,
    before they are compared.

    Raises:
        ImageRejected: `animated` for a file with an image sequence, even next to a still picture;
            `truncated` if a coded picture ends early; `unsupported_format` if the picture is not
            HEVC; `too_costly` if far more pixels would be decoded than the picture has; `corrupt`
            if sizes contradict each other or cannot be read.
    """
    budget = ReadBudget()
    try:
        boxes = list(top_boxes(data, budget))
        if data[8:12] in _SEQUENCES or any(kind == b"moov" for kind, _ in boxes):
            detail = "an image sequence: only one picture would be seen"
            raise ImageRejected(QuarantineReason.ANIMATED, detail)
        file = read_items(boxes, data, budget)
        for item in file.items.values():
            _check_item(item, check, budget)
        _check_work(file, budget)
    except EOFError as error:
        raise ImageRejected(QuarantineReason.TRUNCATED, f"the HEIF file: {error}") from error
    except (IndexError, KeyError, ValueError) as error:
        detail = f"the boxes of the HEIF file cannot be read: {error}"
        raise ImageRejected(QuarantineReason.CORRUPT, detail) from error


def _check_item(item: Item, check: Callable[[int, int], None], budget: ReadBudget) -> None:
    if item.kind not in _ACCEPTED:
        return
    declared, data = item.sizes(), b"".join(item.parts)
    sizes, padding = [declared[0]], 1
    if item.kind == _GRID:
        sizes = [grid_size(data, budget)[0]]
    elif item.kind == _CODED:
        (config,) = item.values(b"hvcC")
        stream = read_hevc(config, data, budget)
        if stream.pictures != 1:
            raise ValueError(f"{stream.pictures} pictures in the place of one")
        sizes, padding = stream.sizes, _MAX_PADDING
    for size in (*declared, *sizes):
        check(*size)
    pairs = [pair for d in declared for size in sizes for pair in zip(d, size, strict=True)]
    if not pairs or any(not size - padding < side <= size for side, size in pairs):
        raise ValueError(f"it declares {declared[:2]} pixels, its picture has {sizes[:2]}")


def _check_work(file: ItemFile, budget: ReadBudget) -> None:
    """Check how many pixels a decode of the primary item takes."""
    parts, alphas = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for kind, start, ends in file.references:
        if kind == b"dimg":
            parts[start] += ends
        elif kind == b"auxl" and _is_alpha(file.items[start]):
            for end in ends:
                alphas[end].append(start)

    def pixels(number: int, depth: int) -> int:
        budget.spend(1)
        item = file.items[number]
        if item.kind not in _ACCEPTED:
            detail = f"a HEIF file with a picture of the type {item.kind!r}; accepted is HEVC"
            raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, detail)
        if not depth:
            raise ValueError("its pictures are made of each other")
        used = [] if item.kind == _CODED else parts[number]
        if item.kind == _GRID and grid_size(b"".join(item.parts), budget)[1] != len(used):
            raise ValueError("a grid without all of its tiles")
        own = max(_MIN_WORK, *(width * height for width, height in item.sizes()))
        return own + sum(pixels(part, depth - 1) for part in (*used, *alphas[number]))

    work = pixels(file.primary, _MAX_DEPTH)
    width, height = file.items[file.primary].sizes()[0]
    if work > _MAX_WORK * width * height + _FREE_WORK:
        detail = f"{work} pixels to decode for {width} x {height}"
        raise ImageRejected(QuarantineReason.TOO_COSTLY, detail)


def _is_alpha(item: Item) -> bool:
    return any(b":auxid:1\0" in kind or b"alpha" in kind for kind in item.values(b"auxC"))
