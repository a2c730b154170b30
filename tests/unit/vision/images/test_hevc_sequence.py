"""Sizes and pictures of HEVC streams, by the units that x265 writes and by some made by hand."""

import pytest

from ml.vision.images.hevc_sequence import read_hevc
from ml.vision.images.item_boxes import ReadBudget
from tests.unit.vision.images.avif_boxes import encode_heif
from tests.unit.vision.images.pictures import photo

SIZE = (128, 96)


def parts(size: tuple[int, int] = SIZE, **options: object) -> tuple[bytes, bytes]:
    """The configuration and the units of an encoded picture."""
    data = encode_heif(photo(*size), **options)
    at = data.index(b"hvcC")
    config = data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]
    return config, data[data.index(b"mdat") + 4 :]


def unit(*content: int) -> bytes:
    return len(content).to_bytes(4, "big") + bytes(content)


@pytest.mark.parametrize("size", [SIZE, (1000, 640), (64, 64)])
@pytest.mark.parametrize("chroma", [420, 422, 444])
def test_size_and_number_of_pictures_are_read(size: tuple[int, int], chroma: int) -> None:
    stream = read_hevc(*parts(size, chroma=chroma), ReadBudget())
    assert stream.sizes == [size]
    assert stream.pictures == 1


def test_sizes_of_all_parameter_sets_are_read() -> None:
    small, data = parts()
    large, _ = parts((640, 480))
    at = large.index(b"\x42\x01")  # the header of the unit
    length = int.from_bytes(large[at - 2 : at], "big")
    hidden = length.to_bytes(4, "big") + large[at : at + length]
    assert read_hevc(small, hidden + data, ReadBudget()).sizes == [SIZE, (640, 480)]


def exp_golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def test_sub_layers_and_escaped_bytes_are_skipped() -> None:
    layer = "0" * 88 + "0" * 8  # profile and level
    text = "0000" + "001" + "1" + layer + "1" * 2 + "00" * 7 + layer
    text += "".join(map(exp_golomb, (0, 1, *SIZE))) + "0" * 8
    payload = bytes(int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8))
    escaped = payload.replace(bytes(2), bytes((0, 0, 3)))
    config = bytes(21) + bytes((3, 0))
    assert read_hevc(config, unit(66, 1, *escaped), ReadBudget()).sizes == [SIZE]


def test_second_picture_is_counted() -> None:
    config, data = parts()
    assert read_hevc(config, data + data, ReadBudget()).pictures == 2


@pytest.mark.parametrize("kind", [0, 1, 9, 15, 22, 31])
def test_predicted_picture_is_refused(kind: int) -> None:
    config, data = parts()
    with pytest.raises(ValueError, match="predicted"):
        read_hevc(config, data + unit(kind << 1, 1, 128), ReadBudget())


def test_second_layer_is_refused() -> None:
    config, data = parts()
    with pytest.raises(ValueError, match="layer"):
        read_hevc(config, data + unit(38, 9, 128), ReadBudget())


def test_empty_units_are_refused_and_many_bounded() -> None:
    config, _ = parts()
    with pytest.raises(ValueError, match="without content"):
        read_hevc(config, unit(), ReadBudget())
    with pytest.raises(ValueError, match="too many"):
        read_hevc(config, unit(78, 1, 0) * 200_000, ReadBudget())


@pytest.mark.parametrize("end", [3, 10, 40])  # bytes
def test_unit_that_ends_early_is_noticed(end: int) -> None:
    config, data = parts()
    with pytest.raises(EOFError):
        read_hevc(config, data[:end], ReadBudget())
    with pytest.raises(EOFError):
        read_hevc(config, unit(66, 1, *range(4, 5 + end // 4)), ReadBudget())
