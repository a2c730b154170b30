"""Compare the sizes that an AVIF file declares with those of its coded pictures, before a decode.

The container (ISO/IEC 14496-12 and 23008-12) declares the size of each item in a box `ispe`; the
AV1 sequence header has the coded size. A decoder allocates the larger and scales one to the other,
so that a few hundred bytes can claim, or hide, any size.
"""

from collections.abc import Callable

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.av1_sequence import coded_sizes
from ml.vision.images.avif_sequence import check_tracks
from ml.vision.images.item_boxes import (
    Item,
    ReadBudget,
    Size,
    brands,
    grid_size,
    read_items,
    top_boxes,
)

_ANIMATION = b"avis"
_SEQUENCES = (_ANIMATION, b"msf1")  # major brands
_BRANDS = (b"avif", b"avis")
_ITEMS = (b"meta", b"mini")  # boxes with the items of a still picture
_CONFIG_BYTES = 4  # of `av1C` before its OBUs


def is_avif(data: bytes) -> bool:
    """Whether the file says that it is AVIF, whatever it contains."""
    return any(brand in brands(data) for brand in _BRANDS)


def check_avif_sizes(data: bytes, check: Callable[[int, int], None]) -> None:
    """Check declared and coded sizes of an AVIF file, in time and memory linear in its bytes.

    Decoders themselves need not be: libavif takes a MiB for every eight bytes of some headers.

    `check(width, height)` raises for a size that is not allowed. It gets every size in the file,
    before they are compared.

    Raises:
        ImageRejected: `animated` for a sequence without frames, or frames without that major brand;
            `corrupt` if sizes contradict each other or cannot be read.
    """
    budget = ReadBudget()
    try:
        boxes = list(top_boxes(data, budget))
        has_tracks = any(kind == b"moov" for kind, _ in boxes)
        if (data[8:12] in _SEQUENCES) != has_tracks or (has_tracks and data[8:12] != _ANIMATION):
            detail = "programs disagree whether to show its still picture or its frames"
            raise ImageRejected(QuarantineReason.ANIMATED, detail)
        check_tracks(boxes, data, check, budget)
        has_still = not has_tracks or any(kind in _ITEMS for kind, _ in boxes)
        items = read_items(boxes, data, budget).items.values() if has_still else ()
        sizes = [_sizes(item, budget) for item in items if item.kind in (b"av01", b"grid")]
    except (IndexError, KeyError, ValueError, EOFError) as error:
        detail = f"the boxes of the AVIF file cannot be read: {error}"
        raise ImageRejected(QuarantineReason.CORRUPT, detail) from error
    if any(item.values(b"clap") for item in items):
        detail = "an AVIF that crops its picture: programs crop it differently"
        raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, detail)
    for declared, coded in sizes:
        for width, height in (*declared, *coded):
            check(width, height)
        if not coded or any(size != declared[0] for size in (*declared, *coded)):
            detail = f"the file declares {declared[:2]} pixels, its picture has {coded[:2]}"
            raise ImageRejected(QuarantineReason.CORRUPT, detail)


def _sizes(item: Item, budget: ReadBudget) -> tuple[list[Size], list[Size]]:
    """Declared and coded sizes of an item."""
    declared, data = item.sizes(), b"".join(item.parts)
    if item.kind == b"grid":
        return declared, [grid_size(data, budget)[0]]
    configs = (config[_CONFIG_BYTES:] for config in item.values(b"av1C"))
    return declared, [size for obus in (*configs, data) for size in coded_sizes(obus, budget)]
