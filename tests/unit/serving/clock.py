"""Seconds that stand still until told."""


class Clock:
    """A clock for buckets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The moment."""
        return self.now
