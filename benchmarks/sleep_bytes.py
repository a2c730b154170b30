"""Bytes in place of a photo that say how long a worker sleeps in place of its decoding."""

_DIGITS = 12


def sleep_bytes(seconds: float, size: int) -> bytes:
    """Bytes of a size, at least 12, that name the seconds."""
    return f"{seconds:.9f}".zfill(_DIGITS)[:_DIGITS].encode().ljust(size, b"\0")


def seconds_of(data: bytes) -> float:
    """The seconds that `sleep_bytes` was given."""
    return float(data[:_DIGITS])
