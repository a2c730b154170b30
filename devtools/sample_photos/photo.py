"""One photo of the sample catalogue, with its true label."""

from dataclasses import dataclass

NORMAL = "normal"
VIOLATE = "violate"
VIOLATIONS = ("qr", "ad", "text", "weapon", "fire")
CATEGORIES = (NORMAL, *VIOLATIONS)


@dataclass(frozen=True)
class SamplePhoto:
    """A file as a customer would upload it.

    Attributes:
        name: file name, such as `photo_000123.jpg`.
        label: `normal` or `violate`; `normal` for a broken file, which has no true label.
        category: one of CATEGORIES; for a broken file its expected QuarantineReason.
        data: the file's bytes.
        broken: whether the file cannot be decoded.
    """

    name: str
    label: str
    category: str
    data: bytes
    broken: bool
