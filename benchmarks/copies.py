"""`python -m benchmarks.copies`: edited copies of blocked photos that are found, and their cost.

Real photos of a folder, one half of which was used to choose the limits of
`ml.vision.screens.copies`; the other half is reported. The violations of a half are blocked, and so
are some goods, which makes them hard to tell apart from the others. Copies are edited as
`devtools.sample_photos.edits` does and saved as JPEG; features are those of the bundled weights.
Drawn banners are not blocked where goods are counted: they were drawn on these goods.
"""

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.screens_figures import share
from benchmarks.screens_photos import load_real_photos
from benchmarks.screens_pipeline import untrained_predictor
from devtools.sample_photos.edits import EDITS
from ml.core.errors import ImageRejected
from ml.core.settings import load_settings
from ml.core.types import DecidedPhoto
from ml.models.predictor import Predictor
from ml.models.training.init_network import init_network
from ml.models.training.preset import load_preset
from ml.moderation.pipeline.copies import BlockedCopies
from ml.policy.screens import Screens
from ml.vision.images.borders import trim_borders
from ml.vision.images.fingerprint import perceptual_hash
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import DecodePlan, prepare
from ml.vision.screens.copies import Gray, encode_picture, small_picture
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import screen_duplicates

LONG_SIDE, QUALITY = 800, 90  # of an edited copy
SIZES = (10_000, 100_000)  # blocked photos of a look-up
LOOKUPS = 64
Pixels = npt.NDArray[np.uint8]

console = Console(width=None if Console().is_terminal else 160)


@dataclass(frozen=True)
class Seen:
    """A photo as the pipeline sees it; `trimmed` is hash and quality without borders."""

    name: str
    pdq: tuple[str, int]
    trimmed: tuple[str, int] | None
    picture: Gray
    features: npt.NDArray[np.float32]


class Reader:
    """Reads photos as a decode worker and the model do."""

    def __init__(self) -> None:
        self._spec = load_preset("fast").preprocessing
        self._plan = DecodePlan(decode_limits(load_settings()), Screens().long_side)
        network, _ = init_network(["normal", "violate"], seed=0, pretrained_weights="bundled")
        self.predictor = untrained_predictor(
            self._spec, torch.device("cpu"), network=network, with_features=True
        )

    def read(self, files: Iterable[tuple[str, bytes]]) -> list[Seen]:
        """Read files by name; those that cannot be decoded are left out."""
        prepared = [found for name, data in files if (found := self._prepare(name, data))]
        if not prepared:
            return []
        features = self.predictor.submit_all([pixels for *_, pixels in prepared])().features
        if features is None:
            raise RuntimeError("the predictor computes no features")
        return [
            Seen(name, pdq, trimmed, picture, row)
            for (name, pdq, trimmed, picture, _), row in zip(prepared, features, strict=True)
        ]

    def _prepare(
        self, name: str, data: bytes
    ) -> tuple[str, tuple[str, int], tuple[str, int] | None, Gray, Pixels] | None:
        try:
            photo = self._plan.decode(data, self._spec)
        except ImageRejected:
            return None
        image = self._plan.for_model(photo.image, self._spec)
        pixels, trimmed = prepare(image, self._spec), trim_borders(image)
        inner = perceptual_hash(trimmed) if trimmed else None
        picture = small_picture(pixels, photo.width, photo.height)
        return name, perceptual_hash(image), inner, picture, pixels


@dataclass(frozen=True)
class Found:
    """What finds a photo: PDQ as before, PDQ of all orientations and without borders, pictures."""

    before: bool
    hashes: bool
    pictures: bool

    @property
    def now(self) -> bool:
        """Whether any screen of now finds it."""
        return self.hashes or self.pictures


class Blocked:
    """Blocked photos, in the indexes of the screens."""

    def __init__(self, photos: Sequence[Seen]) -> None:
        files = {photo.name: encode_picture(photo.picture) for photo in photos}
        hashes = [DecidedPhoto(p.name, *p.pdq, blocked=True) for p in photos]
        self.hashes = DuplicateIndex(hashes)
        # An index of photos that passed compares one orientation, as that of before did.
        self._before = DuplicateIndex(DecidedPhoto(p.name, *p.pdq, blocked=False) for p in photos)
        self.copies = BlockedCopies(
            [photo.name for photo in photos],
            np.stack([photo.features for photo in photos]),
            lambda names: {name: files[name] for name in names},
        )

    def find(self, photos: Sequence[Seen]) -> list[Found]:
        """What finds each of the photos."""
        features = np.stack([photo.features for photo in photos])
        screened = self.copies.screen(features, [photo.picture for photo in photos])
        return [
            Found(
                bool(screen_duplicates(*photo.pdq, self._before).evidence.get("passed")),
                bool(screen_duplicates(*photo.pdq, self.hashes, trimmed=photo.trimmed).fired),
                bool(result.fired),
            )
            for photo, result in zip(photos, screened, strict=True)
        ]


def main(
    data: Annotated[Path, typer.Option(help="Folder of real photos with manifest.csv.")],
    half: Annotated[str, typer.Option(help="choose or report.")] = "report",
    copied: Annotated[int, typer.Option(help="Blocked photos that come back.", min=1)] = 200,
    goods: Annotated[int, typer.Option(help="Goods that are blocked, too.", min=0)] = 1000,
    honest: Annotated[int, typer.Option(help="Maximum of goods of others.", min=1)] = 3000,
) -> None:
    """Measure what is found of each edit, what is raised of other goods, and what it costs."""
    cv2.setNumThreads(1)
    reader = Reader()
    violations, others = _list_photos(data, half)
    blocked = reader.read(_files(violations, "violations"))
    rest = reader.read(_files(others[: goods + honest], "goods"))
    index = Blocked([*blocked, *rest[:goods]])
    _print_recall(reader, index, violations[:copied])
    _print_false_alarms(blocked, rest, goods)
    _print_cost(reader.predictor, index, rest[-LOOKUPS:])


def _list_photos(folder: Path, half: str) -> tuple[list[Path], list[Path]]:
    """Violations and goods of a half, in a random order that is always the same."""
    labelled = [p.path for p in load_real_photos(folder) if p.path is not None]
    unlabelled = sorted((folder / "unlabelled").glob("*"))
    mine = sorted(
        (p for p in chain(labelled, unlabelled) if (_digest(p) % 2 == 0) == (half == "choose")),
        key=_digest,
    )
    violations = [p for p in mine if "violate" in p.parts]
    return violations, [p for p in mine if p.parent.name in ("normal", "unlabelled")]


def _digest(path: Path) -> int:
    return int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:8])


def _files(paths: Sequence[Path], what: str) -> Iterable[tuple[str, bytes]]:
    return ((str(path), path.read_bytes()) for path in track(paths, what))


def _print_recall(reader: Reader, index: Blocked, paths: Sequence[Path]) -> None:
    originals = [_open(path) for path in paths]
    columns = ("before", "hashes", "pictures", "now")
    table = Table("edit", *columns, title=f"copies found, of {len(paths)} blocked photos each")
    for name, edit in track(EDITS.items(), "edits"):
        copies = reader.read(
            (f"{name} {number}", _encode(edit(image, Random(f"{name} {number}"))))
            for number, image in enumerate(originals)
        )
        found = index.find(copies)
        table.add_row(name, *(str(share(found, attrgetter(c))) for c in columns))
    console.print(table)


def _open(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    white.alpha_composite(upright)
    image = white.convert("RGB")
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    return image


def _encode(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _print_false_alarms(blocked: Sequence[Seen], rest: Sequence[Seen], goods: int) -> None:
    honest = rest[goods:]
    without = [photo for photo in blocked if "ad" not in Path(photo.name).parts]
    columns = ("before", "hashes", "pictures", "now")
    table = Table("blocked photos", *columns, title=f"raised, of {len(honest)} photos of goods")
    for name, some in (
        (f"{len(without)} violations", without),
        (f"{goods} goods of the same sources", list(rest[:goods])),
    ):
        found = Blocked(some).find(honest)
        table.add_row(name, *(str(share(found, attrgetter(c))) for c in columns))
    console.print(table)


def _print_cost(predictor: Predictor, index: Blocked, photos: Sequence[Seen]) -> None:
    """Processor time as a multiple of the forward pass of ResNet18 at 128 px."""
    spec = load_preset("fast").preprocessing
    pixels = [np.zeros((3, spec.crop, spec.crop), np.uint8)] * len(photos)
    forward = _cpu_seconds(lambda: predictor.submit_all(pixels)())  # noqa: PLW0108 - it begins and waits
    table = Table("blocked photos", "hashes", "search by features", title="times a forward pass")
    rng = np.random.default_rng(0)
    features = np.stack([photo.features for photo in photos])
    for size in SIZES:
        hashes = DuplicateIndex(
            DecidedPhoto(f"{n:064x}", rng.bytes(32).hex(), 90, blocked=True) for n in range(size)
        )
        near = BlockedCopies(
            [str(n) for n in range(size)],
            -np.abs(rng.standard_normal((size, features.shape[1]), np.float32)),
            lambda _: {},
        )
        hashed = _cpu_seconds(partial(_look_up, hashes, photos)) / forward
        searched = _cpu_seconds(partial(near.screen, features, [None] * len(photos))) / forward
        table.add_row(f"{size:,}", f"{hashed:.3f}", f"{searched:.3f}")
    console.print(table)
    images = [Image.fromarray(rng.integers(0, 256, (256, 340, 3), np.uint8)) for _ in photos]
    trim = _cpu_seconds(lambda: [trim_borders(image) for image in images])
    index.find(photos)  # the pictures of the blocked photos are read once
    whole = _cpu_seconds(lambda: index.copies.screen(features, [photo.picture for photo in photos]))
    console.print(
        f"search for borders {trim / forward:.3f}, comparison of pictures {whole / forward:.2f} "
        "times a forward pass"
    )


def _look_up(index: DuplicateIndex, photos: Sequence[Seen]) -> None:
    for photo in photos:
        index.find_near(photo.pdq[0])


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process, the least of three calls."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    typer.run(main)
