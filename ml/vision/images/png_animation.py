"""Whether a PNG file is animated (W3C PNG, third edition, 4.9), and whether all programs agree.

Pillow and browsers show different pictures of a file whose animation chunks are out of order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ml.core.errors import ImageRejected, QuarantineReason

ANIMATION_CHUNKS = (b"acTL", b"fcTL", b"fdAT")

_BODY = 8  # where the content of a chunk begins
_PIXELS, _HEADER, _CONTROL, _FRAME_PIXELS = b"IDAT", *ANIMATION_CHUNKS
# Encoders write a chunk for some kilobytes; Pillow reads each in Python.
_MAX_CHUNKS = 20_000


@dataclass
class _Animation:
    """What was read of the chunks; `pending` is a frame without pixels yet."""

    declared: int | None = None
    frames: int = 0
    sequence: int = 0
    pending: bool = False
    has_pixels: bool = False

    def read(self, kind: bytes, chunk: bytes) -> None:
        """Read the next chunk; raises ValueError if it is out of order."""
        if kind == _HEADER:
            if self.declared is not None or self.has_pixels:
                raise ValueError("a second animation header, or a late one")
            self.declared = int.from_bytes(chunk[_BODY : _BODY + 4], "big")
        elif kind == _PIXELS:
            self.has_pixels, self.pending = True, False
        elif kind in (_CONTROL, _FRAME_PIXELS):
            self._read_frame(kind, int.from_bytes(chunk[_BODY : _BODY + 4], "big"))

    def _read_frame(self, kind: bytes, number: int) -> None:
        if number != self.sequence or number >= _MAX_CHUNKS:
            raise ValueError("its parts are not numbered in order, or are too many")
        is_control = kind == _CONTROL
        is_expected = not self.pending if is_control else self.frames > 0 and self.has_pixels
        if not is_expected:
            raise ValueError("a frame without pixels, or pixels without a frame")
        self.sequence += 1
        self.frames += is_control
        self.pending = is_control

    def check(self) -> None:
        """Raise ValueError unless it is complete."""
        if self.pending or self.frames != self.declared:
            raise ValueError(f"{self.declared} frames declared, {self.frames} found")


def is_animation(chunks: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the chunks (type and bytes) are those of an animation that every program can read.

    Raises:
        ImageRejected: `animated` if programs disagree which picture to show.
    """
    animation, has_frame_pixels = _Animation(), False
    try:
        for kind, chunk in chunks:
            animation.read(kind, chunk)
            has_frame_pixels |= kind == _FRAME_PIXELS
        if not has_frame_pixels and not animation.declared:
            return False
        animation.check()
    except ValueError as error:
        detail = f"several frames, and programs disagree which to show: {error}"
        raise ImageRejected(QuarantineReason.ANIMATED, detail) from error
    return has_frame_pixels
