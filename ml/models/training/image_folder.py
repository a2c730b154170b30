"""ImageFolder: a folder of labelled photos with a folder per class and finer categories below."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.core.errors import TrainingError
from ml.policy.schema import Policy


@dataclass(frozen=True)
class Photo:
    """A labelled photo file.

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
class SkippedFile:
    """A file left out, and why: a quarantine reason, `unreadable`, `no_class`, `contradiction`."""

    name: str
    reason: str
    detail: str


def list_photos(data: Path, policy: Policy) -> tuple[list[Photo], list[SkippedFile]]:
    """List all files of an ImageFolder, sorted by name; names that start with a dot are ignored.

    Returns:
        The files in the class folders, and stray files next to these folders, which have no class.

    Raises:
        TrainingError: the folders are not exactly the classes of the policy, or one is empty.
    """
    if not data.is_dir():
        raise TrainingError(f"no folder at {data}: name one with a folder for each class")
    entries = sorted(p for p in data.iterdir() if not p.name.startswith("."))
    _check_classes({p.name for p in entries if p.is_dir()}, set(policy.classes), data)
    photos = [
        Photo(path, path.relative_to(data).as_posix(), folder.name)
        for folder in entries
        if folder.is_dir()
        for path in _files(folder)
    ]
    _check_not_empty(photos, sorted(policy.classes), data)
    stray = [
        SkippedFile(p.name, "no_class", "not in a class folder") for p in entries if p.is_file()
    ]
    return photos, stray


def _files(folder: Path) -> list[Path]:
    """Sorted by path as text, so that the order is the same on every machine."""
    files = (p for p in folder.rglob("*") if p.is_file())
    visible = (p for p in files if not any(q.startswith(".") for q in p.relative_to(folder).parts))
    return sorted(visible, key=lambda p: p.as_posix())


def _check_classes(folders: set[str], classes: set[str], data: Path) -> None:
    problems = {"missing": classes - folders, "unknown to the policy": folders - classes}
    details = [
        f"{problem}: {', '.join(sorted(names))}" for problem, names in problems.items() if names
    ]
    if details:
        raise TrainingError(
            f"the folders of {data} must be the classes of the policy, "
            f"{', '.join(sorted(classes))} ({'; '.join(details)}): rename or move them, or name "
            "the class in config/policy.yaml"
        )


def _check_not_empty(photos: Sequence[Photo], classes: Sequence[str], data: Path) -> None:
    count = Counter(p.label for p in photos)
    empty = [name for name in classes if not count[name]]
    if empty:
        raise TrainingError(f"{data} has no file for {', '.join(empty)}: add photos of it")


def find_contradictions(labels: Sequence[str], hashes: Sequence[str]) -> set[str]:
    """Content hashes of files that are in two classes: at least one of their labels is wrong."""
    classes: dict[str, set[str]] = {}
    for label, content in zip(labels, hashes, strict=True):
        classes.setdefault(content, set()).add(label)
    return {content for content, names in classes.items() if len(names) > 1}


def data_hash(labels: Sequence[str], hashes: Sequence[str]) -> str:
    """SHA-256 (hex) over the sorted (content hash, class) pairs of a dataset, one pair per line.

    Independent of the names and the order of the files.
    """
    lines = sorted(f"{content} {label}\n" for label, content in zip(labels, hashes, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
