"""A folder of labelled photos: one folder a class, each below it a finer category."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.errors import TrainingError
from ml.policy.policy import Policy


@dataclass(frozen=True)
class Photo:
    """One file that is to be trained on or measured with.

    `category` is the folder below the class ("violate/qr"), or the class itself.
    """

    path: Path
    name: str
    label: str

    @property
    def category(self) -> str:
        """The class, with the first folder below it where there is one."""
        parts = self.name.split("/")
        return "/".join(parts[: min(2, len(parts) - 1)])


@dataclass(frozen=True)
class Rejected:
    """One file that was left out, and why: a quarantine reason, `no_class` or `contradiction`."""

    name: str
    reason: str
    detail: str


def list_photos(data: Path, policy: Policy) -> tuple[list[Photo], list[Rejected]]:
    """List an ImageFolder, every file of it, sorted by name. Names that start with a dot are not.

    Returns:
        The files below the folders of the classes, and those beside them, which have no class.

    Raises:
        TrainingError: the folders are not exactly the classes of the policy, or one is empty.
    """
    if not data.is_dir():
        raise TrainingError(f"no folder at {data}: name one that holds a folder for each class")
    top = sorted(p for p in data.iterdir() if not p.name.startswith("."))
    _check_classes({p.name for p in top if p.is_dir()}, set(policy.classes), data)
    photos = [
        Photo(path, path.relative_to(data).as_posix(), folder.name)
        for folder in top
        if folder.is_dir()
        for path in _files(folder)
    ]
    _check_filled(photos, sorted(policy.classes), data)
    beside = [Rejected(p.name, "no_class", "lies beside the folders") for p in top if p.is_file()]
    return photos, beside


def _files(folder: Path) -> list[Path]:
    """By name as text, so that the order is the same on every machine."""
    found = (p for p in folder.rglob("*") if p.is_file())
    seen = (p for p in found if not any(q.startswith(".") for q in p.relative_to(folder).parts))
    return sorted(seen, key=lambda p: p.as_posix())


def _check_classes(found: set[str], wanted: set[str], data: Path) -> None:
    problems = {"missing": wanted - found, "unknown to the policy": found - wanted}
    said = [f"{word}: {', '.join(sorted(names))}" for word, names in problems.items() if names]
    if said:
        raise TrainingError(
            f"the folders of {data} must be the classes of the policy, {', '.join(sorted(wanted))} "
            f"({'; '.join(said)}): rename or move them, or name the class in config/policy.yaml"
        )


def _check_filled(photos: Sequence[Photo], classes: Sequence[str], data: Path) -> None:
    count = Counter(p.label for p in photos)
    empty = [name for name in classes if not count[name]]
    if empty:
        raise TrainingError(f"{data} holds no file for {', '.join(empty)}: add photos of it")


def contradictions(labels: Sequence[str], hashes: Sequence[str]) -> set[str]:
    """Content hashes of files that lie in two classes: at least one label of them is wrong."""
    classes: dict[str, set[str]] = {}
    for label, content in zip(labels, hashes, strict=True):
        classes.setdefault(content, set()).add(label)
    return {content for content, names in classes.items() if len(names) > 1}


def data_hash(labels: Sequence[str], hashes: Sequence[str]) -> str:
    """SHA-256 (hex) over the sorted (content hash, class) pairs, a line each: what was learnt from.

    Names and order of the files do not change it.
    """
    lines = sorted(f"{content} {label}\n" for label, content in zip(labels, hashes, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
