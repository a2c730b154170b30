from pathlib import Path

import pytest
import torch

from ml.errors import StartWeightsError
from ml.model.resnet18 import build
from ml.model.shipped_weights import (
    CARD,
    FOLDER,
    WEIGHTS,
    Made,
    read_start_weights,
    save_start_weights,
)

MOST_BYTES = 23_000_000
MADE = Made(
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
    return {n: t for n, t in build(2).state_dict().items() if not n.startswith("fc.")}


def test_the_shipped_file_is_small_whole_and_a_trained_resnet18() -> None:
    state, card = read_start_weights()
    assert (FOLDER / WEIGHTS).stat().st_size <= MOST_BYTES
    assert {t.dtype for t in state.values()} == {torch.float16}
    network = build(2)
    problems = network.load_state_dict(state, strict=False)
    assert problems.unexpected_keys == []
    assert all(n.startswith("fc.") or n.endswith("tracked") for n in problems.missing_keys)
    assert card.made.licences
    assert card.made.epochs == card.made.recipe["epochs"]
    assert all(bool(t.isfinite().all()) for t in state.values())
    assert float(state["bn1.running_mean"].abs().sum()) > 0  # it has seen photos


def test_the_shipped_card_has_the_figures_of_the_whole_protocol() -> None:
    _, card = read_start_weights()
    rows = card.figures["by_start_and_labels"]
    assert isinstance(rows, dict)
    assert {labels: cell["trainings"] for labels, cell in rows["shipped"].items()} == {
        "0": 6, "100": 6, "500": 6,
    }  # fmt: skip
    scratch, shipped, teacher = (
        {labels: cell["mean"] for labels, cell in rows[start].items()}
        for start in ("from scratch", "shipped", "teacher")
    )
    assert all(shipped[labels] >= scratch[labels] for labels in scratch)
    gap = teacher["500"] - scratch["500"]
    assert (shipped["500"] - scratch["500"]) / gap >= 0.7


def test_what_is_written_is_read_back_in_half_precision(tmp_path: Path) -> None:
    save_start_weights(_state(), MADE, tmp_path)
    state, card = read_start_weights(tmp_path)
    assert card.made == MADE
    assert torch.equal(state["conv1.weight"], _state()["conv1.weight"].half())
    assert not any(name.endswith("num_batches_tracked") for name in state)


def test_values_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartWeightsError, match=r"bn1\.running_var"):
        save_start_weights(_state() | {"bn1.running_var": torch.full((64,), 1e6)}, MADE, tmp_path)


@pytest.mark.parametrize("fault", ["weights gone", "card gone", "other bytes", "no card"])
def test_a_damaged_folder_is_refused_with_the_remedy(fault: str, tmp_path: Path) -> None:
    save_start_weights(_state(), MADE, tmp_path)
    if fault == "weights gone":
        (tmp_path / WEIGHTS).unlink()
    elif fault == "card gone":
        (tmp_path / CARD).unlink()
    elif fault == "no card":
        (tmp_path / CARD).write_text("{}")
    else:
        data = (tmp_path / WEIGHTS).read_bytes()
        (tmp_path / WEIGHTS).write_bytes(data[:-2] + b"\x00\x01")
    with pytest.raises(StartWeightsError, match="restore"):
        read_start_weights(tmp_path)
