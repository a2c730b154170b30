"""Start weights that come with the repository: one file in half precision, and its card."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.errors import StartWeightsError
from ml.model.card import Sha256
from ml.model.checkpoint import file_sha256

FOLDER = Path(__file__).parent / "shipped"
WEIGHTS, CARD = "start_weights.safetensors", "start_weights.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Made(_Strict):
    """How start weights came to be; `hours` are those of the machine that made them."""

    teacher: str
    photos: int = Field(ge=1)
    photos_hash: Sha256
    licences: tuple[str, ...]
    recipe: dict[str, Any]
    recipe_hash: Sha256
    seed: int
    epochs: int = Field(ge=1)
    hours: float = Field(ge=0)
    teacher_agreement: Annotated[float, Field(ge=0, le=1)]
    libraries: dict[str, str]


class StartWeightsCard(_Strict):
    """The card beside the file; `figures` are those of `benchmarks/start_weights.py`."""

    sha256: Sha256
    made: Made
    figures: dict[str, Any] = {}


def save_start_weights(state: dict[str, torch.Tensor], made: Made, folder: Path) -> Path:
    """Write weights in half precision and their card; returns the weights' path.

    Half precision halves the file, and training moves every weight by more than it rounds.

    Raises:
        StartWeightsError: a value is beyond half precision's range.
    """
    halved = {n: t.detach().cpu().half().contiguous() for n, t in _values(state).items()}
    beyond = sorted(name for name, tensor in halved.items() if not tensor.isfinite().all())
    if beyond:
        raise StartWeightsError(f"beyond half precision: {', '.join(beyond[:3])}")
    path = folder / WEIGHTS
    save_file(halved, path)
    card = StartWeightsCard(sha256=file_sha256(path), made=made)
    write_card(card, folder)
    return path


def write_card(card: StartWeightsCard, folder: Path) -> None:
    """Write the card beside the weights."""
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def shipped_card(folder: Path = FOLDER) -> StartWeightsCard:
    """Read the card alone.

    Raises:
        StartWeightsError: it is missing or damaged.
    """
    try:
        return StartWeightsCard.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise StartWeightsError(
            f"no start weights in {folder}: {error}; restore the folder from the repository"
        ) from error


def read_start_weights(folder: Path = FOLDER) -> tuple[dict[str, torch.Tensor], StartWeightsCard]:
    """Load the weights (half precision, on the CPU) and their card.

    Raises:
        StartWeightsError: a file is missing or damaged, or the weights are not those of the card.
    """
    card = shipped_card(folder)
    path = folder / WEIGHTS
    try:
        found = file_sha256(path)
        if found != card.sha256:
            raise StartWeightsError(
                f"{path} hashes to {found}, its card names {card.sha256}: "
                "restore it from the repository"
            )
        return load_file(path), card
    except (OSError, SafetensorError) as error:
        raise StartWeightsError(
            f"{path} cannot be read: {error}; restore it from the repository"
        ) from error


def _values(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without batch norm's counters, which training here ignores."""
    return {name: t for name, t in state.items() if t.is_floating_point()}
