"""The choice of a computation: what is allowed, the fastest of it, and the fall back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models import computation_choice
from ml.models.card import Agreement
from ml.models.checkpoint import Checkpoint, load_checkpoint
from ml.models.computation_choice import Choice, choose_computation, find_candidates, sort_by_speed
from ml.models.computation_guard import GuardPhotos
from ml.models.inference import create, openvino_backend, openvino_model
from ml.models.load_check import make_test_pictures
from ml.models.predictor import Predictor
from tests.support.champion import SPEC, make_champion
from tests.support.policies import policy

CPU = torch.device("cpu")
OPENVINO = Computation("openvino", "float32")
PHOTOS = GuardPhotos(make_test_pictures(SPEC.crop))
FIXED = Settings(inference="openvino", number_type="float32")


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version")
    make_champion(folder)
    return folder


@pytest.fixture
def checkpoint(version: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(computation_choice, "_choices", {})
    monkeypatch.setattr(computation_choice, "MEASURE_SECONDS", 0.05)
    return load_checkpoint(version)


def _choose(checkpoint: Checkpoint, settings: Settings = FIXED) -> Choice:
    return choose_computation(
        checkpoint, PHOTOS, policy=policy(violate=None), settings=settings, device=CPU
    )


def test_intact_backend_is_chosen_without_a_fallback(checkpoint: Checkpoint) -> None:
    assert _choose(checkpoint) == Choice(OPENVINO)


def test_automatic_choice_is_allowed_and_measured_once_per_process(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _choose(checkpoint, Settings())
    assert first.computation in find_candidates(None, Settings(), CPU)
    monkeypatch.delattr(computation_choice, "sort_by_speed")
    assert _choose(checkpoint, Settings()) is first


def test_settings_fix_backend_and_number_type() -> None:
    assert find_candidates(None, Settings(inference="torch", number_type="float32"), CPU) == [
        REFERENCE
    ]
    assert find_candidates(None, FIXED, CPU) == [OPENVINO]
    every = find_candidates(None, Settings(), CPU)
    assert {REFERENCE, OPENVINO} <= set(every)


def test_a_gpu_computes_with_torch_unless_the_settings_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(computation_choice, "preferred_number_type", lambda _: "bfloat16")
    gpu = torch.device("cuda")
    assert find_candidates(None, Settings(), gpu) == [Computation("torch", "bfloat16")]
    assert OPENVINO in find_candidates(None, Settings(inference="openvino"), gpu)


def test_faster_predictor_comes_first(checkpoint: Checkpoint) -> None:
    class Slow(Predictor):
        def logits(self, pixels: object) -> object:  # type: ignore[override]  # handed through
            for _ in range(9):
                super().logits(pixels)  # type: ignore[arg-type]  # as above
            return super().logits(pixels)  # type: ignore[arg-type]  # as above

    slow = Slow(checkpoint, device=CPU, batch_size=4, computation=REFERENCE)
    quick = Predictor(checkpoint, device=CPU, batch_size=4, computation=REFERENCE)
    assert sort_by_speed([slow, quick], PHOTOS.pixels) == [quick, slow]


def _swap_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    intact = openvino_backend.OpenVinoBackend.logits

    def logits(self: openvino_backend.OpenVinoBackend, batch: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]  # pixels
        return intact(self, batch[:, ::-1].copy())

    monkeypatch.setattr(openvino_backend.OpenVinoBackend, "logits", logits)


def _forget_normalization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        openvino_model, "_normalize", lambda pixels, _: openvino_model.ops.convert(pixels, "f32")
    )


@pytest.mark.parametrize("fault", [_swap_channels, _forget_normalization])
def test_wrong_backend_falls_back_to_the_reference_and_says_so(
    checkpoint: Checkpoint, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)  # type: ignore[operator]  # one of the two above
    chosen = _choose(checkpoint)
    assert chosen.computation == REFERENCE
    assert str(chosen.fallback).startswith("openvino float32: logits on the probe differ by")


def test_verdicts_that_differ_on_held_out_photos_fall_back(checkpoint: Checkpoint) -> None:
    def with_changed(changed: int) -> Checkpoint:
        agreement = Agreement(computation="openvino float32", photos=400, changed=changed)
        card = checkpoint.card.model_copy(update={"agreements": (agreement,)})
        return Checkpoint(checkpoint.state, card)

    assert _choose(with_changed(2)) == Choice(OPENVINO)
    assert _choose(with_changed(3)) == Choice(
        REFERENCE, "openvino float32: 3 of 400 verdicts on held-out photos differ"
    )


def test_backend_that_cannot_be_created_falls_back(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ComputationUnavailable("not here")

    monkeypatch.setattr(openvino_backend, "OpenVinoBackend", fail)
    assert _choose(checkpoint) == Choice(REFERENCE, "openvino float32: not here")


def test_number_type_that_no_backend_has_here_falls_back(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "computes_bfloat16", lambda: False)
    monkeypatch.setattr(computation_choice, "computes_bfloat16", lambda: False)
    chosen = _choose(checkpoint, Settings(inference="openvino", number_type="bfloat16"))
    assert chosen == Choice(REFERENCE, "no way to compute in bfloat16 here")
