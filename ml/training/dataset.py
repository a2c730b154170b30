"""Labelled photos, of a folder or of a list, ready to be trained on."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from ml.errors import TrainingError
from ml.images.decode import DecodeLimits
from ml.images.fingerprint import near_duplicate_groups
from ml.images.preprocess import Preprocessing, prepare
from ml.policy.policy import Policy
from ml.training.folder import Photo, Rejected, contradictions, data_hash, list_photos
from ml.training.pixels import PixelFile, Scanned, scan

FEWEST_PHOTOS = 10  # of each class: below, neither side of the split says anything


@dataclass(frozen=True)
class Dataset:
    """Usable photos, in one order throughout; `classes` are sorted, as ImageFolder has them."""

    classes: tuple[str, ...]
    scanned: tuple[Scanned, ...]
    rejected: tuple[Rejected, ...]
    spec: Preprocessing
    pixels: PixelFile

    @property
    def labels(self) -> list[str]:
        """Class of each photo."""
        return [s.photo.label for s in self.scanned]

    @property
    def targets(self) -> torch.Tensor:
        """Index of each photo's class, int64 (N,)."""
        return torch.tensor([self.classes.index(label) for label in self.labels])

    @property
    def categories(self) -> list[str]:
        """Finer category of each photo."""
        return [s.photo.category for s in self.scanned]

    @property
    def groups(self) -> list[int]:
        """Photos of one number look alike (PDQ) or have equal bytes."""
        hashes = [s.perceptual_hash for s in self.scanned]
        alike = near_duplicate_groups(hashes, [s.quality for s in self.scanned])
        # PDQ leaves pictures of low quality alone, even where the bytes are the same.
        first: dict[str, int] = {}
        contents = (s.content_hash for s in self.scanned)
        return [first.setdefault(c, group) for c, group in zip(contents, alike, strict=True)]

    @property
    def hash(self) -> str:
        """What the model card says was learnt from."""
        return data_hash(self.labels, [s.content_hash for s in self.scanned])

    def photo(self, index: int) -> torch.Tensor:
        """The whole reduced photo, uint8 (3, H, W)."""
        return self.pixels.tensor(self.scanned[index])

    def prepared(self, indices: Sequence[int]) -> torch.Tensor:
        """Photos as the nightly audit sees them, uint8 (N, 3, crop, crop)."""
        pictures = (Image.fromarray(self.pixels.picture(self.scanned[i])) for i in indices)
        return torch.stack([torch.from_numpy(prepare(p, self.spec)) for p in pictures])


@contextmanager
def open_dataset(
    data: Path,
    *,
    policy: Policy,
    spec: Preprocessing,
    limits: DecodeLimits,
    scratch: Path,
    done: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Dataset]:
    """Read a folder; its pixels live until the block ends.

    Files of equal bytes in two classes are all left out: one label is wrong, and only a person can
    say which. Copies within a class stay (the split keeps them together).

    Args:
        data: an ImageFolder.
        policy: its classes are those of the folder.
        spec: how photos are reduced.
        limits: what a photo may be.
        scratch: existing folder with room for the reduced pixels.
        done: is told how many files of how many are decoded.

    Raises:
        TrainingError: the folder does not fit the policy, or too few photos are usable.
    """
    photos, rejected = list_photos(data, policy)
    with open_photos(
        photos,
        rejected,
        classes=tuple(policy.classes),
        spec=spec,
        limits=limits,
        scratch=scratch,
        done=done,
    ) as dataset:
        _check_enough(dataset, photos)
        yield dataset


@contextmanager
def open_photos(
    photos: Sequence[Photo],
    rejected: Sequence[Rejected],
    *,
    classes: Sequence[str],
    spec: Preprocessing,
    limits: DecodeLimits,
    scratch: Path,
    done: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Dataset]:
    """Read listed photos; as `open_dataset`, however few there are.

    Args:
        photos: what to read.
        rejected: files left out before; they are listed with those that cannot be used.
        classes: every class that a label may be, with or without photos.
        spec: as in `open_dataset`, like all that follow.
        limits: as there.
        scratch: as there.
        done: as there.
    """
    pixels = PixelFile(scratch)
    try:
        scanned, broken = scan(
            photos, pixels, spec=spec, limits=limits, done=lambda n: done(n, len(photos))
        )
        clear, doubtful = _without_contradictions(scanned)
        everything = sorted([*rejected, *broken, *doubtful], key=lambda r: r.name)
        yield Dataset(tuple(sorted(classes)), tuple(clear), tuple(everything), spec, pixels)
    finally:
        pixels.close()


def _without_contradictions(scanned: Sequence[Scanned]) -> tuple[list[Scanned], list[Rejected]]:
    doubtful = contradictions([s.photo.label for s in scanned], [s.content_hash for s in scanned])
    clear = [s for s in scanned if s.content_hash not in doubtful]
    left_out = [
        Rejected(s.photo.name, "contradiction", f"the same bytes ({s.content_hash}) in two classes")
        for s in scanned
        if s.content_hash in doubtful
    ]
    return clear, left_out


def _check_enough(dataset: Dataset, photos: Sequence[Photo]) -> None:
    usable = Counter(dataset.labels)
    for name in sorted({p.label for p in photos}):
        if usable[name] < FEWEST_PHOTOS:
            why = Counter(r.reason for r in dataset.rejected)
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
            raise TrainingError(
                f"class `{name}` has {usable[name]} usable photos, at least {FEWEST_PHOTOS} are "
                f"needed: add some (left out in all classes: {reasons or 'none'})"
            )
