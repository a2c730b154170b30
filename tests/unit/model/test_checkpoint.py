import json
from pathlib import Path

import pytest
import torch

from ml.errors import ModelError, ModelHashMismatch
from ml.model.card import ModelCard
from ml.model.checkpoint import (
    CARD,
    WEIGHTS,
    file_sha256,
    load_checkpoint,
    save_card,
    save_weights,
)
from tests.support.champion import SPEC

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4), "b": torch.tensor(7)}


@pytest.fixture
def version(tmp_path: Path) -> ModelCard:
    """A tiny version in `tmp_path`; its card."""
    card = ModelCard.model_validate(
        {
            "weights_sha256": save_weights(STATE, tmp_path),
            "classes": ("normal", "violate"),
            "preprocessing": SPEC,
            "calibration": {"temperature": 1.5, "fitted_on": 10},
            "cut_offs": {"pass_confidence": 0.8, "source": "test"},
            "start_weights": {"kind": "scratch", "detail": "test"},
            "preset": "test",
            "data_hash": "0" * 64,
            "training_images": 1,
            "validation_images": 1,
            "metrics": {"accuracy": 0.5},
            "libraries": {"torch": "x"},
            "seed": 1,
        }
    )
    save_card(card, tmp_path)
    return card


def rewrite_card(folder: Path, **changes: object) -> None:
    raw = json.loads((folder / CARD).read_text()) | changes
    (folder / CARD).write_text(json.dumps({k: v for k, v in raw.items() if v is not None}))


def test_a_version_comes_back_as_it_was(version: ModelCard, tmp_path: Path) -> None:
    loaded = load_checkpoint(tmp_path, model_hash=version.model_hash)
    assert loaded.card == version
    assert loaded.state.keys() == STATE.keys()
    assert all(torch.equal(loaded.state[name], STATE[name]) for name in STATE)


def test_a_flipped_bit_in_the_weights_is_refused(version: ModelCard, tmp_path: Path) -> None:
    data = bytearray((tmp_path / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelHashMismatch, match=version.weights_sha256):
        load_checkpoint(tmp_path)


def test_a_card_edited_afterwards_is_another_version(version: ModelCard, tmp_path: Path) -> None:
    rewrite_card(tmp_path, cut_offs={"pass_confidence": 0.5, "source": "test"})
    with pytest.raises(ModelHashMismatch, match=version.model_hash):
        load_checkpoint(tmp_path, model_hash=version.model_hash)


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("part", ["cut_offs", "calibration", "preprocessing", "classes"])
def test_a_card_without_a_needed_part_is_refused(part: str, tmp_path: Path) -> None:
    rewrite_card(tmp_path, **{part: None})
    with pytest.raises(ModelError, match=rf"not a valid model card(?s:.*){part}"):
        load_checkpoint(tmp_path)


def test_a_pickle_named_safetensors_is_refused(version: ModelCard, tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / WEIGHTS)
    save_card(version.model_copy(update={"weights_sha256": file_sha256(tmp_path / WEIGHTS)}), tmp_path)  # fmt: skip
    with pytest.raises(ModelError, match="no safetensors file"):
        load_checkpoint(tmp_path)


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_half_a_version_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match="no model version in"):
        load_checkpoint(tmp_path)
