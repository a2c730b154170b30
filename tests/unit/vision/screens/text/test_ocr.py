"""The reader's models: missing ones are an error before any photo is read."""

from pathlib import Path

import pytest

from ml.core.errors import SettingsError
from ml.vision.screens.text import ocr
from ml.vision.screens.text.ocr import TextReader


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
