"""The photos of a run, named by their hash: label snapshot, golden set, and unlabeled photos."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ml.core.types import Sha256
from ml.core.yaml_file import StrictModel


class Split(StrEnum):
    """What a photo of a snapshot is used for."""

    TRAIN = "train"
    GOLDEN = "golden"  # evaluation only, in this run and all later ones
    # Of snapshots that earlier releases made, which held these photos out of training.
    VALIDATION = "validation"
    CALIBRATION = "calibration"


class Confirmation(StrEnum):
    """How far the label of a golden photo is confirmed; see `ml.policy.golden_labels`."""

    TWO_REVIEWERS = "two_reviewers"
    SECOND_LOOK = "second_look"
    ONE_LOOK = "one_look"
    IMPORTED = "imported"
    DISPUTED = "disputed"

    @property
    def is_confirmed(self) -> bool:
        """Whether a second person, or a second look, gave the same label."""
        return self in (Confirmation.TWO_REVIEWERS, Confirmation.SECOND_LOOK)


class _WeightedPhoto(StrictModel):
    """A photo with its label; it represents `weight` uploads: 1 / reviewed share of its route."""

    content_sha256: Sha256
    label: str
    category: str | None
    route: str
    weight: Annotated[float, Field(ge=1.0)]


class LabelledPhoto(_WeightedPhoto):
    """One photo of a snapshot, with the label that reviewers gave it.

    Photos with the same `group` must be in the same split: copies, near duplicates, photos of one
    product review. `new` means that no earlier snapshot has it with this label. `fold` of a photo
    to train on is the part of cross-fitting that holds its group out, from 0 on. `seen` means that
    the champion, or a version that it was trained from, was trained on a photo of its group.
    `age_days` is the label's age at the snapshot. `confirmation` of a golden photo is that of its
    label then; None in snapshots of earlier releases.
    """

    group: int
    new: bool
    part: Split
    fold: Annotated[int, Field(ge=0)] | None = None
    seen: bool = False
    age_days: Annotated[int, Field(ge=0)] = 0
    confirmation: Confirmation | None = None


class ExcludedPhoto(StrictModel):
    """A labelled photo that is not used for training, and why."""

    content_sha256: str
    reason: str


class ListedPhoto(StrictModel):
    """A photo of the photo bucket: its content, and a key that has it."""

    content_sha256: Sha256
    object_key: str


class _HashedDocument(StrictModel):
    """A document that is named by the hash of its JSON text."""

    def to_json(self) -> str:
        """The canonical JSON text, whose bytes are hashed."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=0)

    def _sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()


class Manifest(_HashedDocument):
    """The snapshot; stored as JSON under `snapshots/<hash>.json`.

    Of format 1, earlier releases': its photos have no folds.
    """

    format_version: int = 2
    as_of: datetime
    classes: tuple[str, ...]
    golden_hash: Sha256
    photos: tuple[LabelledPhoto, ...]  # sorted by content hash
    left_out: tuple[ExcludedPhoto, ...]
    unlabelled: tuple[ListedPhoto, ...] = ()  # a sample of the shop's other photos

    def photos_in(self, split: Split) -> list[LabelledPhoto]:
        """The photos of one split, in the manifest's order."""
        return [photo for photo in self.photos if photo.part is split]

    @property
    def disputed(self) -> list[str]:
        """Content hashes of the golden photos whose label is disputed."""
        found = (p for p in self.photos if p.confirmation is Confirmation.DISPUTED)
        return [photo.content_sha256 for photo in found]

    @property
    def snapshot_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON text."""
        return self._sha256()


class GoldenPhoto(_WeightedPhoto):
    """One photo of a golden set."""

    added_in: str  # name of the golden set that it was added in


class GoldenSet(_HashedDocument):
    """A golden set; immutable, stored under `golden/<hash>.json`."""

    format_version: int = 1
    name: str
    parent_hash: Sha256 | None
    photos: tuple[GoldenPhoto, ...]  # sorted by content hash

    @property
    def golden_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON text."""
        return self._sha256()


class PhotoList(_HashedDocument):
    """The shop's own photos for a distillation; that of a run is under `photo_lists/<hash>.json`.

    Sampled from those uploaded in a window, and fixed: whoever reads the list reads these contents.
    """

    format_version: int = 1
    uploaded_from: datetime
    uploaded_before: datetime
    photos: tuple[ListedPhoto, ...]  # sorted by content hash

    @property
    def list_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON text."""
        return self._sha256()
