"""The card of a signal: a model of others, where it comes from, and how to use it."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ml.core.errors import SignalError
from ml.core.types import Sha256
from ml.core.yaml_file import StrictModel, load_json, load_model
from ml.models.card import hash_content
from ml.vision.screens.signals import SignalInput

_Text = Annotated[str, Field(min_length=3, max_length=2000)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class SignalOutput(StrictModel):
    """Section `output` of the card: the tensor `scores`, and the names of its classes in order.

    A classifier's tensor is (photos, classes). A detector's is (photos, boxes, classes), or with
    `classes_first` (photos, classes, boxes); the likeliest box of a class counts. `skip` are the
    values before the first class, such as a box's four. `activation` makes them probabilities.
    """

    kind: Literal["classifier", "detector"] = "classifier"
    scores: _Name
    classes: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=1000)]
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    classes_first: bool = False
    skip: int = Field(0, ge=0, le=16)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        if self.kind == "classifier" and (self.classes_first or self.skip):
            raise ValueError("`classes_first` and `skip` are for detectors")
        return self


class SignalCard(StrictModel):
    """What is installed under a signal's hash.

    `source` says where the file comes from, `licence` under which conditions code and weights may
    be used, `finds` what it was made to find, and where it fails.
    """

    format_version: Literal[1] = 1
    name: _Name
    model_sha256: Sha256
    source: _Text
    licence: _Text
    finds: _Text
    input: SignalInput
    output: SignalOutput

    @property
    def signal_hash(self) -> str:
        """The signal's name in a policy: SHA-256 of the card, which contains the model's."""
        return hash_content(self.model_dump(mode="json"))


def load_card_file(path: Path) -> SignalCard:
    """Read a card that a person wrote (YAML).

    Raises:
        SignalError: it is missing or invalid; lists each problem.
    """
    missing = f"there is no card {path}: docs/signals.md says what it holds"
    return load_model(path, SignalCard, error=SignalError, missing=missing)


def parse_card(text: bytes, *, source: str) -> SignalCard:
    """Parse an installed card (JSON).

    Raises:
        SignalError: it is damaged, or of a later release.
    """
    try:
        return SignalCard.model_validate(load_json(text, source=source, error=SignalError))
    except ValidationError as error:
        raise SignalError(
            f"{source} is no card that this version of the program can use: {error}; install the "
            "signal again"
        ) from error
