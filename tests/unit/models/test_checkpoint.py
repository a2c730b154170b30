"""A version in a folder is loaded only if its hashes match."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import get_args

import pytest
import torch

from ml.core.errors import ModelError, ModelHashMismatch
from ml.core.types import ArchitectureName
from ml.models.checkpoint import CARD, WEIGHTS, build_network, load_checkpoint, restore_network
from tests.support.champion import make_champion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_champion(tmp_path)
    return tmp_path


def test_load_checkpoint_returns_the_saved_version(folder: Path) -> None:
    card = make_champion(folder)
    loaded = load_checkpoint(folder, model_hash=card.model_hash)
    assert loaded.card == card
    assert loaded.state["fc.weight"].shape == (2, 512)


def test_load_checkpoint_rejects_weights_with_one_flipped_bit(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelHashMismatch, match="fetch the version again"):
        load_checkpoint(folder)


def test_load_checkpoint_rejects_an_edited_card(folder: Path) -> None:
    name = load_checkpoint(folder).card.model_hash
    card = json.loads((folder / CARD).read_text())
    card["thresholds"]["pass_confidence"] = 0.5
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelHashMismatch):
        load_checkpoint(folder, model_hash=name)


@pytest.mark.parametrize("part", ["thresholds", "calibration", "preprocessing"])
def test_load_checkpoint_rejects_a_card_without_a_required_section(folder: Path, part: str) -> None:
    card = json.loads((folder / CARD).read_text())
    del card[part]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=part):
        load_checkpoint(folder)


def test_load_checkpoint_never_loads_a_pickle(folder: Path) -> None:
    data = pickle.dumps({"fc.weight": [1.0]})
    (folder / WEIGHTS).write_bytes(data)
    card = json.loads((folder / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_checkpoint(folder)


@pytest.mark.parametrize("architecture", get_args(ArchitectureName))
def test_restore_network_gives_the_outputs_of_the_saved_network(
    architecture: ArchitectureName,
) -> None:
    saved = build_network(3, architecture).eval()
    restored = restore_network(saved.state_dict(), 3, architecture)
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(restored(images), saved(images))
    assert not restored.training


def test_restore_network_copies_the_weights() -> None:
    state = build_network(2).state_dict()
    restored = restore_network(state, 2, "resnet18")
    with torch.no_grad():
        restored.head.bias.add_(1)
    assert not torch.equal(restored.head.bias, state["fc.bias"])


@pytest.mark.parametrize("change", ["another head", "a tensor less"])
def test_restore_network_rejects_weights_that_do_not_fit(change: str) -> None:
    state = build_network(2).state_dict()
    if change == "a tensor less":
        del state["conv1.weight"]
    with pytest.raises(ModelError, match="do not fit resnet18"):
        restore_network(state, 3 if change == "another head" else 2, "resnet18")


def test_restore_network_rejects_weights_of_another_architecture() -> None:
    with pytest.raises(ModelError, match="do not fit efficientnet_lite0"):
        restore_network(build_network(2).state_dict(), 2, "efficientnet_lite0")
