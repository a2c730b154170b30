"""Sizes in the sequence headers of an AV1 stream (AV1 specification, 5.3 to 5.5)."""

from collections.abc import Callable

from ml.vision.images.item_boxes import ByteReader, ReadBudget, Size

_SEQUENCE_HEADER = 1  # OBU type
_READS_OF_SEQUENCE = 50  # takes as long as so many


def coded_sizes(obus: bytes, budget: ReadBudget) -> list[Size]:
    """Sizes of all AV1 sequence headers of a stream of OBUs."""
    sizes, read = [], ByteReader(obus, budget)
    while read.left:
        head = read.uint(1)
        if head & 4:
            read.uint(1)  # the extension
        payload = read.take(_leb128(read) if head & 2 else read.left)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            budget.spend(_READS_OF_SEQUENCE)
            sizes.append(_sequence_size(payload))
    return sizes


def _leb128(read: ByteReader) -> int:
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
