"""A label snapshot: which photos are learnt from, with which labels, on which side of the split."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ml.errors import ModelHashMismatch
from ml.model.card import Sha256
from ml.storage.object_store import ObjectStore


class Part(StrEnum):
    """What a photo of a snapshot is for."""

    TRAIN = "train"
    VALIDATION = "validation"  # early stopping and temperature
    CALIBRATION = "calibration"  # cut-offs
    GOLDEN = "golden"  # measuring only, in this month and all later ones


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelledPhoto(_Strict):
    """One photo with the class that people gave it.

    `weight` is how many photos of the shop it stands for: 1 / share of its route that people see.
    `group` is equal for photos that must stay on one side: copies, look-alikes, one review.
    `new` photos are in no earlier snapshot with this label.
    """

    content_sha256: Sha256
    label: str
    category: str | None
    route: str
    weight: Annotated[float, Field(ge=1.0)]
    group: int
    new: bool
    part: Part


class LeftOut(_Strict):
    """A labelled photo that cannot be learnt from, and why."""

    content_sha256: str
    reason: str


class Manifest(_Strict):
    """The snapshot; its text form is hashed, and stored under `snapshots/<hash>.json`."""

    format_version: int = 1
    as_of: datetime
    classes: tuple[str, ...]
    golden_hash: Sha256
    photos: tuple[LabelledPhoto, ...]  # sorted by content hash
    left_out: tuple[LeftOut, ...]

    def of(self, part: Part) -> list[LabelledPhoto]:
        """The photos of one part, in the manifest's order."""
        return [photo for photo in self.photos if photo.part is part]

    def to_json(self) -> str:
        """The one text form, whose bytes are hashed."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=0)

    @property
    def snapshot_hash(self) -> str:
        """SHA-256 (hex) of the text form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


class GoldenPhoto(_Strict):
    """One photo of a golden set."""

    content_sha256: Sha256
    label: str
    category: str | None
    route: str
    weight: Annotated[float, Field(ge=1.0)]
    added_in: str  # name of the golden set's version that brought it


class GoldenSet(_Strict):
    """A golden set; stored under `golden/<hash>.json`, which it never changes."""

    format_version: int = 1
    name: str
    parent_hash: Sha256 | None
    photos: tuple[GoldenPhoto, ...]  # sorted by content hash

    def to_json(self) -> str:
        """The one text form, whose bytes are hashed."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=0)

    @property
    def golden_hash(self) -> str:
        """SHA-256 (hex) of the text form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def put_manifest(store: ObjectStore, manifest: Manifest) -> str:
    """Write a snapshot's manifest; returns its hash."""
    store.put(f"snapshots/{manifest.snapshot_hash}.json", manifest.to_json().encode())
    return manifest.snapshot_hash


def get_manifest(store: ObjectStore, snapshot_hash: str) -> Manifest:
    """Read a snapshot's manifest.

    Raises:
        ModelHashMismatch: the stored bytes are not those of the hash.
    """
    return Manifest.model_validate_json(_checked(store, "snapshots", snapshot_hash))


def put_golden(store: ObjectStore, golden: GoldenSet) -> str:
    """Write a golden set; returns its hash."""
    store.put(f"golden/{golden.golden_hash}.json", golden.to_json().encode())
    return golden.golden_hash


def get_golden(store: ObjectStore, golden_hash: str) -> GoldenSet:
    """Read a golden set.

    Raises:
        ModelHashMismatch: the stored bytes are not those of the hash.
    """
    return GoldenSet.model_validate_json(_checked(store, "golden", golden_hash))


def _checked(store: ObjectStore, folder: str, wanted: str) -> bytes:
    data = store.get(f"{folder}/{wanted}.json")
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise ModelHashMismatch(f"{folder}/{wanted}.json in the model bucket hashes to {found}")
    return data
