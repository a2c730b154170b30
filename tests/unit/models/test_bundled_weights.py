from pathlib import Path

import pytest
import torch

from ml.core.errors import PretrainedWeightsError
from ml.models.bundled_weights import (
    CARD,
    FOLDER,
    WEIGHTS,
    Provenance,
    read_bundled_card,
    read_bundled_weights,
    save_bundled_weights,
)
from ml.models.checkpoint import build_network

MAX_BYTES = 23_000_000
PROVENANCE = Provenance(
    teacher="a test",
    photos=1,
    photos_hash="a" * 64,
    licences=("CC0",),
    recipe={},
    recipe_hash="b" * 64,
    seed=0,
    epochs=1,
    hours=0.0,
    teacher_agreement=0.5,
    libraries={},
)


def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {n: t for n, t in build_network(2).state_dict().items() if not n.startswith("fc.")}


def test_bundled_weights_are_a_small_file_of_a_trained_resnet18() -> None:
    state, card = read_bundled_weights()
    assert (FOLDER / WEIGHTS).stat().st_size <= MAX_BYTES
    assert {t.dtype for t in state.values()} == {torch.float16}
    network = build_network(2)
    problems = network.load_state_dict(state, strict=False)
    assert problems.unexpected_keys == []
    assert all(n.startswith("fc.") or n.endswith("tracked") for n in problems.missing_keys)
    assert card.made.epochs == card.made.recipe["epochs"]
    assert all(bool(t.isfinite().all()) for t in state.values())
    assert float(state["bn1.running_mean"].abs().sum()) > 0  # it has seen photos


def test_bundled_card_names_all_distillations_and_the_origin_of_their_photos() -> None:
    made = read_bundled_card().made
    first, second = made.runs
    assert (first.start, first.before) == (None, ())
    assert first.licences
    assert second.start is not None
    assert second.start.kind == "bundled"
    assert len(second.start.detail) == 64
    assert sum(source.photos for source in second.sources) == second.photos
    assert all(source.licence != "not stated" for source in second.sources)
    assert first.recipe_hash != second.recipe_hash


def test_bundled_weights_round_trip_in_half_precision(tmp_path: Path) -> None:
    save_bundled_weights(_state(), PROVENANCE, tmp_path)
    state, card = read_bundled_weights(tmp_path)
    assert card.made == PROVENANCE
    assert torch.equal(state["conv1.weight"], _state()["conv1.weight"].half())
    assert not any(name.endswith("num_batches_tracked") for name in state)


def test_save_bundled_weights_rejects_values_beyond_half_precision(tmp_path: Path) -> None:
    with pytest.raises(PretrainedWeightsError, match=r"bn1\.running_var"):
        save_bundled_weights(
            _state() | {"bn1.running_var": torch.full((64,), 1e6)}, PROVENANCE, tmp_path
        )


@pytest.mark.parametrize("fault", ["weights missing", "card missing", "other bytes", "no card"])
def test_read_bundled_weights_rejects_a_damaged_folder_and_names_the_fix(
    fault: str, tmp_path: Path
) -> None:
    save_bundled_weights(_state(), PROVENANCE, tmp_path)
    if fault == "weights missing":
        (tmp_path / WEIGHTS).unlink()
    elif fault == "card missing":
        (tmp_path / CARD).unlink()
    elif fault == "no card":
        (tmp_path / CARD).write_text("{}")
    else:
        data = (tmp_path / WEIGHTS).read_bytes()
        (tmp_path / WEIGHTS).write_bytes(data[:-2] + b"\x00\x01")
    with pytest.raises(PretrainedWeightsError, match="restore"):
        read_bundled_weights(tmp_path)
