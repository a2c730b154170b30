"""One model version in a folder: `weights.safetensors` and `card.json`. No pickle, ever."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from ml.errors import ModelError, ModelHashMismatch
from ml.model.card import ModelCard, read_card

WEIGHTS = "weights.safetensors"
CARD = "card.json"


@dataclass(frozen=True)
class Checkpoint:
    """Weights (name -> tensor, on the CPU) with the card that belongs to them."""

    state: dict[str, torch.Tensor]
    card: ModelCard


def save_weights(state: dict[str, torch.Tensor], folder: Path) -> str:
    """Write the weights file and return its SHA-256 (hex), which the card must name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    save_file({name: t.detach().cpu().contiguous() for name, t in state.items()}, path)
    return file_sha256(path)


def save_card(card: ModelCard, folder: Path) -> None:
    """Write the card beside the weights."""
    (folder / CARD).write_text(card.to_json(), encoding="utf-8")


def load_checkpoint(folder: Path, *, model_hash: str | None = None) -> Checkpoint:
    """Load a version and check that it is the one it says it is.

    Args:
        folder: holds `weights.safetensors` and `card.json`.
        model_hash: the version that is wanted; None accepts whichever the card names.

    Raises:
        ModelHashMismatch: card or weights are not those that were hashed.
        ModelError: a file is missing or is no safetensors file.
    """
    try:
        card = read_card((folder / CARD).read_text(encoding="utf-8"), source=folder / CARD)
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"no model version in {folder}: {error}") from error
    if model_hash is not None and card.model_hash != model_hash:
        raise ModelHashMismatch(f"{folder} holds version {card.model_hash}, not {model_hash}")
    found = hashlib.sha256(data).hexdigest()
    if found != card.weights_sha256:
        raise ModelHashMismatch(
            f"the weights in {folder} hash to {found}, the card names {card.weights_sha256}; "
            "fetch the version again from the bucket"
        )
    try:
        return Checkpoint(load(data), card)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS} is no safetensors file: {error}") from error


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
