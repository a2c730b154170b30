"""Labeled photos without a split, for tests."""

from ml.learning.snapshot.splits import UnassignedPhoto


def unplaced(
    number: int, label: str = "normal", *, group: int | None = None, category: str | None = None
) -> UnassignedPhoto:
    """A new photo whose content hash is its number; its own group unless given."""
    return UnassignedPhoto(
        content_sha256=f"{number:064x}",
        label=label,
        category=category,
        route="import",
        weight=1.0,
        group=number if group is None else group,
        new=True,
    )


def content(*numbers: int) -> set[str]:
    """The content hashes of photos."""
    return {f"{number:064x}" for number in numbers}
