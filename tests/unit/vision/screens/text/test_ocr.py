"""The reader's models: missing ones are an error before any photo is read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import SettingsError
from ml.vision.screens.text import ocr
from ml.vision.screens.text.ocr import BANNER_SIDE, PAGE_SIDE, TextReader
from tests.unit.vision.screens.conftest import with_text


def test_reader_without_its_models_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_READER", "PP-OCRv9_rec_small.onnx")
    with pytest.raises(SettingsError, match=r"PP-OCRv9_rec_small.onnx: install the version of"):
        TextReader()


def test_reader_without_its_library_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"install the version of requirements.txt"):
        TextReader()


def test_very_long_line_is_squeezed(reader: TextReader, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []
    recognizer = reader.load()[1]
    recognize = recognizer.recognize_txt

    def watch(strips: list[np.ndarray]) -> object:
        widths.append(strips[0].shape[1] / strips[0].shape[0])
        return recognize(strips)

    monkeypatch.setattr(recognizer, "recognize_txt", watch)
    box = np.array([(0, 10), (790, 10), (790, 18), (0, 18)], np.float32)
    reader.read(Image.new("RGB", (800, 40), "white"), box)
    assert widths == [24]


def test_box_without_pixels_is_not_read(reader: TextReader) -> None:
    box = np.array([(5, 5), (5, 5), (5, 5), (5, 5)], np.float32)
    assert reader.read(Image.new("RGB", (80, 40), "white"), box) is None


def test_boxes_are_in_pixels_of_the_picture(reader: TextReader) -> None:
    banner = with_text("WeChat: lucky_mei77")
    for side in (BANNER_SIDE, PAGE_SIDE):
        (box,) = reader.find(banner, side)
        assert box.min(axis=0) == pytest.approx((10, 16), abs=12)
        assert box.max(axis=0) == pytest.approx((506, 76), abs=12)
