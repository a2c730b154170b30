"""One photo of the sample catalogue, with what a careful person would say about it."""

from dataclasses import dataclass

NORMAL = "normal"
VIOLATE = "violate"
VIOLATIONS = ("qr", "ad", "text", "weapon", "fire")
CATEGORIES = (NORMAL, *VIOLATIONS)


@dataclass(frozen=True)
class SamplePhoto:
    """A file as a buyer would upload it.

    Attributes:
        name: file name, such as `photo_000123.jpg`.
        label: `normal` or `violate`; `normal` for a broken file, which nobody can judge.
        category: one of CATEGORIES; for a broken file the QuarantineReason that it must get.
        data: the file's bytes.
        broken: whether the file cannot be judged.
    """

    name: str
    label: str
    category: str
    data: bytes
    broken: bool
