"""Sizes in the sequence headers of an AV1 stream (AV1 specification, 5.3 to 5.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

MAX_READS = 200_000  # numbers and boxes of a file; a photo of 800 tiles has 30,000
_SEQUENCE_HEADER = 1  # OBU type
_READS_OF_SEQUENCE = 50  # takes as long as so many

Size = tuple[int, int]


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
