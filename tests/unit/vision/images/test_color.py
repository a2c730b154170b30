import numpy as np
import pytest
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.color import to_rgb
from tests.unit.vision.images.pictures import distance, photo


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "CMYK"])
def test_to_rgb_keeps_the_colors_of_opaque_modes(mode: str) -> None:
    source = photo().convert(mode)
    rgb = to_rgb(source)
    assert (rgb.mode, rgb.size) == ("RGB", source.size)
    assert distance(rgb, source.convert("RGB")) == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_to_rgb_composites_alpha_over_white(mode: str) -> None:
    source = Image.new("RGBA", (4, 4), (0, 0, 0, 255)).convert(mode)
    source.putalpha(Image.fromarray(np.array([[0, 255, 128, 0]] * 4, dtype=np.uint8)))
    assert np.asarray(to_rgb(source))[0, :, 0].tolist() == [255, 0, 127, 255]


def test_to_rgb_composites_a_transparent_palette_entry_over_white() -> None:
    source = Image.new("P", (2, 1))
    source.putpalette([9, 9, 9, 200, 0, 0])
    source.putdata([0, 1])
    source.info["transparency"] = 0
    assert np.asarray(to_rgb(source))[0].tolist() == [[255, 255, 255], [200, 0, 0]]


def test_to_rgb_composites_a_color_key_over_white() -> None:
    source = Image.new("RGB", (1, 1), (1, 2, 3))
    source.info["transparency"] = (1, 2, 3)
    assert np.asarray(to_rgb(source))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_to_rgb_scales_16_bits(mode: str) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=">u2" if mode == "I;16B" else "<u2")
    source = Image.frombytes(mode, (5, 1), values.tobytes())
    assert np.asarray(to_rgb(source))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "HSV"])
def test_to_rgb_rejects_modes_without_a_standard_conversion(mode: str) -> None:
    with pytest.raises(ImageRejected, match=mode) as caught:
        to_rgb(Image.new(mode, (4, 4)))
    assert caught.value.reason is QuarantineReason.UNSUPPORTED_FORMAT


def test_to_rgb_removes_metadata() -> None:
    source = photo()
    source.info = {"exif": b"where the buyer lives"}
    assert to_rgb(source).info == {}
    assert source.info, "the caller's picture is left alone"
