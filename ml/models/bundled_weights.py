"""The pretrained weights bundled with the repository: a file in half precision, and its card."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.core.errors import PretrainedWeightsError
from ml.core.types import Sha256
from ml.core.yaml_file import StrictModel, load_json
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import check_sha256, file_sha256

FOLDER = Path(__file__).parent / "bundled"
WEIGHTS, CARD = "resnet18.safetensors", "resnet18.json"


class PhotoSource(StrictModel):
    """How many photos of a source the weights have seen, and under which licence."""

    source: str
    licence: str
    photos: int = Field(ge=1)


class Provenance(StrictModel):
    """How the weights were distilled; `hours` of machine time.

    `start` are the weights that the student started from, None: random ones. `before` are the
    distillations that made these, as far as their cards are known, the first one first. Cards of
    older releases have none of this, and no `sources`.
    """

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
    start: PretrainedWeights | None = None
    sources: tuple[PhotoSource, ...] = ()
    before: tuple["Provenance", ...] = ()

    @property
    def runs(self) -> tuple["Provenance", ...]:
        """All distillations that the weights went through, this one last."""
        return *self.before, self.model_copy(update={"before": ()})


class BundledWeightsCard(StrictModel):
    """The card of the file; `figures` come from `benchmarks/pretrained_weights.py`."""

    sha256: Sha256
    made: Provenance
    figures: dict[str, Any] = Field(default_factory=dict)


def save_bundled_weights(
    state: dict[str, torch.Tensor], provenance: Provenance, folder: Path
) -> Path:
    """Write weights in half precision and their card; returns the weights' path.

    Half precision halves the file's size; training changes every weight by more than the rounding.

    Raises:
        PretrainedWeightsError: a value exceeds the range of half precision.
    """
    halved = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in state.items()
        if tensor.is_floating_point()  # no counters of batch norm: training here ignores them
    }
    overflown = sorted(name for name, tensor in halved.items() if not tensor.isfinite().all())
    if overflown:
        raise PretrainedWeightsError(
            f"values exceed the range of half precision in {', '.join(overflown[:3])}"
        )
    path = folder / WEIGHTS
    save_file(halved, path)
    write_card(BundledWeightsCard(sha256=file_sha256(path), made=provenance), folder)
    return path


def write_card(card: BundledWeightsCard, folder: Path) -> None:
    """Write the card into the folder of the weights."""
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def read_bundled_card(folder: Path = FOLDER) -> BundledWeightsCard:
    """Read the card without the weights.

    Raises:
        PretrainedWeightsError: it is missing or damaged.
    """
    try:
        text = (folder / CARD).read_bytes()
        content = load_json(text, source=folder / CARD, error=PretrainedWeightsError)
        return BundledWeightsCard.model_validate(content)
    except (OSError, ValidationError) as error:
        raise PretrainedWeightsError(
            f"no bundled weights in {folder}: {error}; restore the folder from the repository"
        ) from error


def read_earlier_runs(weights: Path) -> tuple[Provenance, ...]:
    """The distillations that made a file of weights; empty where its card is not beside it.

    Raises:
        PretrainedWeightsError: the card is damaged.
    """
    if not (weights.parent / CARD).is_file():
        return ()
    card = read_bundled_card(weights.parent)
    if weights.name != WEIGHTS or card.sha256 != file_sha256(weights):
        return ()
    return card.made.runs


def read_bundled_weights(
    folder: Path = FOLDER,
) -> tuple[dict[str, torch.Tensor], BundledWeightsCard]:
    """Load the weights (half precision, on the CPU) and their card.

    Raises:
        PretrainedWeightsError: a file is missing or damaged, or does not match the card.
    """
    card = read_bundled_card(folder)
    path = folder / WEIGHTS
    try:
        check_sha256(path, card.sha256, "restore it from the repository")
        return load_file(path), card
    except (OSError, SafetensorError) as error:
        raise PretrainedWeightsError(
            f"{path} cannot be read: {error}; restore it from the repository"
        ) from error
