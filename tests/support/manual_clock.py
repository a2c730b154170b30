"""A clock that only the test advances."""


class ManualClock:
    """Returns the seconds in `now`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The current time."""
        return self.now
