"""Sizes and pictures in the units of an HEVC stream (ITU-T H.265, 7.3)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ml.vision.images.item_boxes import ByteReader, ReadBudget, Size

_PICTURES = range(32)  # unit types of coded pictures
_WHOLE_PICTURES = range(16, 22)  # those that need no other picture
_SEQUENCE = 33  # the sequence parameter set
_SEQUENCE_BYTES = 512  # of it that are read; sizes stand in the first 110
_READS_OF_SEQUENCE = 50  # takes as long as so many
_ARRAYS_AT, _LENGTH_SIZE_AT = 22, 21  # in the box `hvcC`
_LEVEL_BITS, _PROFILE_BITS = 8, 88
_SEPARATE_PLANES = 3  # chroma_format_idc of 4:4:4, after which a flag follows


@dataclass
class HevcPicture:
    """What a stream holds: the sizes that are coded, before they are cropped; and its pictures."""

    sizes: list[Size] = field(default_factory=list)
    pictures: int = 0


def read_hevc(config: bytes, data: bytes, budget: ReadBudget) -> HevcPicture:
    """Read the units of the box `hvcC` and of an item's data.

    Raises ValueError or EOFError for what cannot be read, and ValueError for units of another layer
    or of a picture that is predicted from others: a still picture has none.
    """
    picture = HevcPicture()
    length_bytes = (config[_LENGTH_SIZE_AT] & 3) + 1
    for unit in _config_units(ByteReader(config[_ARRAYS_AT:], budget)):
        _add_unit(unit, picture, budget)
    read = ByteReader(data, budget)
    while read.left:
        _add_unit(read.take(read.uint(length_bytes)), picture, budget)
    return picture


def _config_units(read: ByteReader) -> Iterator[bytes]:
    for _ in range(read.uint(1)):
        read.uint(1)
        for _ in range(read.uint(2)):
            yield read.take(read.uint(2))


def _add_unit(unit: bytes, picture: HevcPicture, budget: ReadBudget) -> None:
    if len(unit) < 3:  # noqa: PLR2004 - the two bytes of its header, and one
        raise ValueError("a unit without content")
    kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
    if layer:
        raise ValueError("a unit of a second layer")
    if kind == _SEQUENCE:
        budget.spend(_READS_OF_SEQUENCE)
        picture.sizes.append(_sequence_size(unit[2:]))
    elif kind in _PICTURES:
        if kind not in _WHOLE_PICTURES:
            raise ValueError("a picture that is predicted from others")
        picture.pictures += unit[2] >> 7  # its first slice


class _Bits:
    """The bits of a unit without the bytes that only keep it apart from start codes."""

    def __init__(self, payload: bytes) -> None:
        plain = payload[:_SEQUENCE_BYTES].replace(b"\0\0\3", b"\0\0")
        self._text = "".join(f"{byte:08b}" for byte in plain)
        self._position = 0

    def take(self, count: int) -> int:
        """The next number, of `count` bits."""
        start, self._position = self._position, self._position + count
        if self._position > len(self._text):
            raise EOFError("the sequence parameter set ends early")
        return int(self._text[start : self._position] or "0", 2)

    def exp_golomb(self) -> int:
        """The next number in Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def _sequence_size(payload: bytes) -> Size:
    """Width and height as coded: a decoder allocates them, and then crops."""
    bits = _Bits(payload)
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, sub_layers)
    bits.exp_golomb()
    if bits.exp_golomb() == _SEPARATE_PLANES:
        bits.take(1)
    return bits.exp_golomb(), bits.exp_golomb()


def _skip_profile(bits: _Bits, sub_layers: int) -> None:
    bits.take(_PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(profile * _PROFILE_BITS + level * _LEVEL_BITS)
