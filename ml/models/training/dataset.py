"""Training dataset: labeled photos of a folder or of a list, decoded, checked and split."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ml.core.errors import TrainingError
from ml.models.training.image_folder import (
    CachedPhoto,
    Photo,
    PixelFile,
    SkippedFile,
    cache_photos,
    data_hash,
    find_contradictions,
    list_photos,
)
from ml.policy.schema import Policy
from ml.vision.images.duplicate_groups import near_duplicate_groups
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import Preprocessing, prepare

Ints = npt.NDArray[np.int64]

MIN_PHOTOS = 10  # per class: with fewer, both splits are too small to be meaningful


@dataclass(frozen=True)
class Dataset:
    """Usable photos and the files left out.

    `classes` are sorted, as in torchvision's ImageFolder. All properties are in the order of
    `photos`.
    """

    classes: tuple[str, ...]
    photos: tuple[CachedPhoto, ...]
    skipped: tuple[SkippedFile, ...]
    spec: Preprocessing
    pixels: PixelFile

    @property
    def labels(self) -> list[str]:
        """Class of each photo."""
        return [photo.file.label for photo in self.photos]

    @property
    def targets(self) -> torch.Tensor:
        """Index of each photo's class, int64 (N,)."""
        return torch.tensor([self.classes.index(label) for label in self.labels])

    @property
    def categories(self) -> list[str]:
        """Finer category of each photo."""
        return [photo.file.category for photo in self.photos]

    @property
    def content_hashes(self) -> list[str]:
        """SHA-256 (hex) of each photo's bytes."""
        return [photo.content_hash for photo in self.photos]

    @property
    def groups(self) -> list[int]:
        """Group number of each photo: near-duplicates (PDQ) and equal bytes share one."""
        perceptual_hashes = [photo.perceptual_hash for photo in self.photos]
        groups = near_duplicate_groups(perceptual_hashes, [p.quality for p in self.photos])
        # PDQ does not group images of low quality, even where the bytes are equal.
        first: dict[str, int] = {}
        pairs = zip(self.content_hashes, groups, strict=True)
        return [first.setdefault(content, group) for content, group in pairs]

    @property
    def hash(self) -> str:
        """Hash of contents and labels, for the model card."""
        return data_hash(self.labels, self.content_hashes)

    def load(self, index: int) -> torch.Tensor:
        """The whole resized photo, uint8 (3, H, W)."""
        return self.pixels.tensor(self.photos[index])

    def load_prepared(self, indices: Sequence[int]) -> torch.Tensor:
        """Photos prepared as in the nightly run, uint8 (N, 3, crop, crop)."""
        images = (Image.fromarray(self.pixels.array(self.photos[i])) for i in indices)
        return torch.stack([torch.from_numpy(prepare(image, self.spec)) for image in images])


@contextmanager
def open_dataset(
    data: Path,
    *,
    policy: Policy,
    spec: Preprocessing,
    limits: DecodeLimits,
    scratch: Path,
    on_decoded: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Dataset]:
    """Read a folder; the pixels are available until the block ends.

    Files of equal bytes in two classes are all left out: one label is wrong, and only a reviewer
    can say which. Copies within a class are kept; the split keeps them together. `scratch` is a
    folder with disk space for the resized pixels; `on_decoded` is called with the number of files
    decoded so far and of all files.

    Raises:
        TrainingError: the folder does not fit the policy, or too few photos are usable.
    """
    files, skipped = list_photos(data, policy)
    with open_photos(
        files,
        skipped,
        classes=tuple(policy.classes),
        spec=spec,
        limits=limits,
        scratch=scratch,
        on_decoded=on_decoded,
    ) as dataset:
        _check_enough(dataset, files)
        yield dataset


@contextmanager
def open_photos(
    files: Sequence[Photo],
    skipped: Sequence[SkippedFile],
    *,
    classes: Sequence[str],
    spec: Preprocessing,
    limits: DecodeLimits,
    scratch: Path,
    on_decoded: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Dataset]:
    """Read listed files; `skipped` are listed with those that are left out here.

    `classes` are the possible labels. Unlike `open_dataset`, any number of photos per class is
    accepted.
    """
    with closing(PixelFile(scratch)) as pixels:
        photos, unreadable = cache_photos(
            files, pixels, spec=spec, limits=limits, on_decoded=on_decoded
        )
        contradictory = find_contradictions(
            [p.file.label for p in photos], [p.content_hash for p in photos]
        )
        consistent = tuple(p for p in photos if p.content_hash not in contradictory)
        contradictions = [
            SkippedFile(
                p.file.name, "contradiction", f"the same bytes ({p.content_hash}) in two classes"
            )
            for p in photos
            if p.content_hash in contradictory
        ]
        all_skipped = sorted([*skipped, *unreadable, *contradictions], key=lambda file: file.name)
        yield Dataset(tuple(sorted(classes)), consistent, tuple(all_skipped), spec, pixels)


def _check_enough(dataset: Dataset, files: Sequence[Photo]) -> None:
    usable = Counter(dataset.labels)
    for name in sorted({file.label for file in files}):
        if usable[name] < MIN_PHOTOS:
            counts = Counter(file.reason for file in dataset.skipped)
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
            raise TrainingError(
                f"class `{name}` has {usable[name]} usable photos, at least {MIN_PHOTOS} are "
                f"needed: add some (left out in all classes: {reasons or 'none'})"
            )
