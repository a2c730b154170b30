"""A version in a folder: what is not what it says it is, is not loaded."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

from ml.errors import ModelError, ModelHashMismatch
from ml.model.checkpoint import CARD, WEIGHTS, load_checkpoint
from tests.support.champion import make_champion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_champion(tmp_path)
    return tmp_path


def test_a_version_comes_back_as_it_was_written(folder: Path) -> None:
    card = make_champion(folder)
    loaded = load_checkpoint(folder, model_hash=card.model_hash)
    assert loaded.card == card
    assert loaded.state["fc.weight"].shape == (2, 512)


def test_one_flipped_bit_in_the_weights_is_refused(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelHashMismatch, match="fetch the version again"):
        load_checkpoint(folder)


def test_an_edited_card_is_another_version(folder: Path) -> None:
    name = load_checkpoint(folder).card.model_hash
    card = json.loads((folder / CARD).read_text())
    card["cut_offs"]["pass_confidence"] = 0.5
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelHashMismatch):
        load_checkpoint(folder, model_hash=name)


@pytest.mark.parametrize("part", ["cut_offs", "calibration", "preprocessing"])
def test_a_card_without_what_the_audit_needs_is_refused(folder: Path, part: str) -> None:
    card = json.loads((folder / CARD).read_text())
    del card[part]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=part):
        load_checkpoint(folder)


def test_a_pickle_is_never_loaded(folder: Path) -> None:
    data = pickle.dumps({"fc.weight": [1.0]})
    (folder / WEIGHTS).write_bytes(data)
    card = json.loads((folder / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="no safetensors file"):
        load_checkpoint(folder)
