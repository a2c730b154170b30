"""Whether all programs read a color profile in the same way (ICC.1:2022, clause 7)."""

import struct

_HEADER_BYTES, _TAG_BYTES = 128, 12
_SIGNATURE_AT, _SIGNATURE = 36, b"acsp"
_MAJOR_VERSIONS = (2, 4)
_MAX_TAGS = 100
# Tags that some programs use in place of the usual ones, and others ignore.
_AMBIGUOUS = (b"cicp", b"D2B0", b"D2B1", b"D2B2", b"D2B3")


def is_sound(profile: bytes) -> bool:
    """Whether the profile is complete and has nothing that programs treat differently."""
    if len(profile) < _HEADER_BYTES + 4 or profile[_SIGNATURE_AT:][:4] != _SIGNATURE:
        return False
    size, count = struct.unpack_from(">I", profile)[0], _uint(profile, _HEADER_BYTES)
    if profile[8] not in _MAJOR_VERSIONS or size > len(profile) or not 0 < count <= _MAX_TAGS:
        return False
    starts = [_HEADER_BYTES + 4 + _TAG_BYTES * number for number in range(count)]
    if starts[-1] + _TAG_BYTES > size:
        return False
    names = [profile[start : start + 4] for start in starts]
    ends = [_uint(profile, start + 4) + _uint(profile, start + 8) for start in starts]
    is_doubled = len(set(names)) < len(names)
    return max(ends) <= size and not is_doubled and not set(names) & set(_AMBIGUOUS)


def _uint(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
