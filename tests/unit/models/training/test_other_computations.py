"""Training compares other computations, and makes an int8 variant of the version."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from structlog.typing import EventDict

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable, ModelHashMismatch
from ml.core.settings import Settings
from ml.models import computation_choice
from ml.models.bound_state import find_bound_state
from ml.models.card import ModelCard, hash_content
from ml.models.checkpoint import INT8, Checkpoint, load_checkpoint, load_int8
from ml.models.computation_choice import Choice, choose_computation
from ml.models.computation_guard import GuardPhotos
from ml.models.evaluation.variant_comparison import VariantComparison
from ml.models.load_check import PROBE, check_probe, load_probe_photos
from ml.models.predictor import Predictor
from ml.models.training.other_computations import (
    OtherComputations,
    find_other_computations,
    load_others,
    save_others,
)
from ml.models.training.train import train
from ml.policy.retraining import Int8Margins
from ml.policy.schema import Policy
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.models.training.pictures import POLICY, folder, tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")

CPU = torch.device("cpu")
OPENVINO, QUANTIZED = Computation("openvino", "float32"), Computation("openvino", "int8")
INT8_ONLY = Settings(inference="openvino", number_type="int8")


class Version(NamedTuple):
    """A version in its folder."""

    folder: Path
    card: ModelCard
    logs: list[EventDict]  # of its training

    @property
    def checkpoint(self) -> Checkpoint:
        """With its int8 variant."""
        checkpoint = load_checkpoint(self.folder)
        assert checkpoint.card.int8
        return replace(checkpoint, int8=load_int8(self.folder, checkpoint.card.int8))

    @property
    def variant(self) -> Computation:
        """The computation in int8."""
        assert self.card.int8
        return Computation("openvino", "int8", self.card.int8.variant_hash)


def _train(root: Path, data: Path, policy: Policy = POLICY) -> Version:
    with capture_logs() as logs:
        card = train(
            data,
            policy=policy,
            out=root,
            device="cpu",
            limits=DecodeLimits(),
            pretrained_weights="none",
            seed=4,
            preset=tiny_preset(),
            computations=[OPENVINO, QUANTIZED],
        ).card
    return Version(root, card, logs)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("data"), photos=40)


@pytest.fixture(scope="module")
def version(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    # Of a network that was trained for seconds, the margins allow anything.
    loose = Int8Margins(area_margin=0.9, leak_margin=0.9)
    retraining = POLICY.retraining.model_copy(update={"int8": loose})
    policy = POLICY.model_copy(update={"retraining": retraining})
    return _train(tmp_path_factory.mktemp("out"), data, policy)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computation_choice, "_choices", {})


def test_card_has_the_variant_and_the_compared_verdicts(version: Version) -> None:
    [agreement] = version.card.agreements
    assert (agreement.computation, agreement.changed) == ("openvino float32", 0)
    assert agreement.photos == version.card.training_images
    assert version.card.int8
    assert version.card.int8.calibration.fitted_on == version.card.training_images
    states = [
        find_bound_state(c.thresholds.model_dump()) for c in (version.card, version.card.int8)
    ]
    assert states[0] == states[1] != "met"  # of so few photos
    assert version.card.int8.calibration_photos == version.card.training_images
    assert check_probe(version.folder) < 1e-3
    again = ModelCard.model_validate_json(version.card.to_json())
    assert again.model_hash == version.card.model_hash


def test_card_says_why_its_version_has_no_variant(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VariantComparison, "find_objection", lambda *_: "leak")
    card = _train(tmp_path, data).card
    assert card.int8 is None
    assert card.refused_int8
    assert card.refused_int8.reason == "leak"
    assert card.refused_int8.comparison["leak_margin"] == POLICY.retraining.int8.leak_margin
    assert not (tmp_path / INT8[0]).exists()
    assert ModelCard.model_validate_json(card.to_json()).model_hash == card.model_hash


def test_card_of_a_version_without_them_keeps_its_hash(version: Version) -> None:
    older = version.card.model_copy(update={"agreements": (), "int8": None}).to_json()
    assert "agreements" not in older
    assert "int8" not in older


def test_hash_of_the_variant_is_that_of_its_part_of_the_stored_card(version: Version) -> None:
    stored = json.loads(version.card.to_json())["int8"]
    assert hash_content(stored) == version.variant.variant


def test_training_logs_how_long_the_quantization_took(version: Version) -> None:
    events = [entry["event"] for entry in version.logs]
    assert "quantizing to int8" in events
    assert version.logs[events.index("quantized to int8")]["seconds"] > 0
    computed = [e["computation"] for e in version.logs if e["event"] == "photos computed"]
    assert computed == ["openvino float32", "openvino int8"]


def test_variant_computes_nearly_as_its_version_with_its_own_temperature(version: Version) -> None:
    photos = load_probe_photos(version.folder)
    exact, quantized = (
        Predictor(version.checkpoint, device=CPU, batch_size=4, computation=computation)
        for computation in (REFERENCE, version.variant)
    )
    expected, found = exact.logits(photos.pixels), quantized.logits(photos.pixels)
    assert 0 < np.abs(found - expected).max() < 0.5 * max(1, np.abs(expected).max())
    np.testing.assert_array_equal(quantized.logits(photos.pixels[3:4]), found[3:4])
    assert version.card.int8
    margin = found[0, 1] - found[0, 0]
    score = quantized.scores(photos.pixels)[0]["violate"]
    temperature = version.card.int8.calibration.temperature
    assert np.log(score / (1 - score)) == pytest.approx(margin / temperature, rel=1e-3)


def test_variant_is_chosen_where_it_computes_as_where_it_was_made(version: Version) -> None:
    def choose(photos: GuardPhotos) -> Choice:
        computation_choice._choices.clear()
        return choose_computation(
            version.checkpoint, photos, policy=POLICY, settings=INT8_ONLY, device=CPU
        )

    photos = load_probe_photos(version.folder)
    assert photos.int8_logits is not None
    assert choose(photos) == Choice(version.variant)
    elsewhere = choose(replace(photos, int8_logits=photos.int8_logits[:, ::-1]))
    assert elsewhere.computation == REFERENCE
    assert str(elsewhere.fallback).startswith("openvino int8: logits on the probe differ")
    assert choose(GuardPhotos(photos.pixels)).computation == REFERENCE


def test_variant_of_another_card_is_unavailable(version: Version) -> None:
    other = Computation("openvino", "int8", "f" * 64)
    with pytest.raises(ComputationUnavailable, match="no variant ffff"):
        Predictor(version.checkpoint, device=CPU, batch_size=4, computation=other)


@pytest.mark.parametrize("name", INT8)
def test_changed_file_of_the_variant_is_rejected(version: Version, name: str) -> None:
    path = version.folder / name
    intact = path.read_bytes()
    assert version.card.int8
    try:
        path.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
        with pytest.raises(ModelHashMismatch, match="MODERATION_NUMBER_TYPE"):
            load_int8(version.folder, version.card.int8)
    finally:
        path.write_bytes(intact)


def test_settings_say_what_training_compares() -> None:
    assert QUANTIZED in find_other_computations(Settings(), CPU)
    assert QUANTIZED in find_other_computations(Settings(), torch.device("cuda"))
    fixed = Settings(inference="torch", number_type="float32")
    assert find_other_computations(fixed, CPU) == []


def test_others_are_stored_and_read_back() -> None:
    rng = np.random.default_rng(0)
    compared = {"openvino float32": rng.random((2, 5, 2), dtype=np.float32)}
    found = load_others(save_others(OtherComputations(compared)))
    np.testing.assert_array_equal(found.compared["openvino float32"], compared["openvino float32"])
    assert found.int8 is None


def test_probe_of_the_version_has_the_logits_of_its_variant(version: Version) -> None:
    assert (version.folder / PROBE).is_file()
    photos = load_probe_photos(version.folder)
    predictor = Predictor(
        version.checkpoint, device=CPU, batch_size=32, computation=version.variant
    )
    np.testing.assert_array_equal(predictor.logits(photos.pixels), photos.int8_logits)
