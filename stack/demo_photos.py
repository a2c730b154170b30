"""What the demo trains on and what is uploaded tonight: rendered, or from a labelled folder."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from ml.images.decode import decode_limits
from ml.policy.policy import load_policy
from ml.settings import Settings
from ml.training.dataset import open_dataset
from ml.training.preset import load_preset
from ml.training.split import split
from stack.catalogue.broken import BROKEN_KINDS, render_broken
from stack.catalogue.catalogue import render_catalogue

SEED = 20260101
TONIGHT_SHARE = 0.2
BROKEN_OF_EACH_KIND = 2


@dataclass(frozen=True)
class Upload:
    """A photo of tonight, and what a careful person would say about it."""

    name: str
    path: Path
    label: str
    category: str
    broken: bool


@dataclass(frozen=True)
class DemoPhotos:
    """The training folder and tonight's uploads."""

    training: Path
    tonight: list[Upload]


def rendered(folder: Path, photos: int) -> DemoPhotos:
    """Render the sample catalogue: four fifths to train on; a fifth, and broken ones, tonight."""
    training, night = _fresh(folder)
    tonight = []
    held_out = round(photos * TONIGHT_SHARE)
    stream = render_catalogue(SEED, photos)
    for number, photo in enumerate(track(stream, "rendering photos", total=photos)):
        if number < held_out:
            path = night / photo.name
            tonight.append(Upload(photo.name, path, photo.label, photo.category, broken=False))
        else:
            # A category is a folder below its class, as in a shop's own training folder.
            path = training / photo.label / photo.category / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data)
    return DemoPhotos(training, tonight + list(_broken(night, photos)))


def _broken(night: Path, first: int) -> Iterator[Upload]:
    for number, kind in enumerate(BROKEN_KINDS * BROKEN_OF_EACH_KIND):
        photo = render_broken(SEED, first + number, kind)
        path = night / photo.name
        path.write_bytes(photo.data)
        yield Upload(photo.name, path, photo.label, photo.category, broken=True)


def from_folder(folder: Path, dataset: Path, settings: Settings) -> DemoPhotos:
    """Hold out a fifth of a labelled folder; near-identical photos stay on one side.

    Raises:
        TrainingError: the folder is no ImageFolder of the policy's classes.
    """
    training, _ = _fresh(folder)
    with open_dataset(
        dataset,
        policy=load_policy(settings.policy_file),
        spec=load_preset("fast").preprocessing,
        limits=decode_limits(settings),
        scratch=folder,
    ) as opened:
        photos = [s.photo for s in opened.scanned]
        train, held_out = split(
            opened.labels, opened.categories, opened.groups, share=TONIGHT_SHARE, seed=SEED
        )
    for index in train:
        link = training / photos[index].name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photos[index].path.resolve())
    tonight = [photos[index] for index in held_out]
    return DemoPhotos(
        training, [Upload(p.name, p.path, p.label, p.category, broken=False) for p in tonight]
    )


def _fresh(folder: Path) -> tuple[Path, Path]:
    shutil.rmtree(folder, ignore_errors=True)
    training, night = folder / "training", folder / "tonight"
    training.mkdir(parents=True)
    night.mkdir()
    return training, night
