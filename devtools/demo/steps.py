"""Steps of a long command, with the expected, elapsed and remaining time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Numbered steps that print their times as they start and end.

    Args:
        expected: seconds of each step on a reference machine, in order. The steps measured so far
            scale the rest: on a machine of half the speed the estimate doubles.
        console: where to print.
    """

    def __init__(self, expected: Mapping[str, float], console: Console) -> None:
        self._expected = dict(expected)
        self._console = console
        self._done: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print the expected and remaining time of a step, and at its end the elapsed time."""
        number = list(self._expected).index(name) + 1
        self._console.rule(f"{number} · {name}")
        expected = self._expected[name] * self._slowdown
        self._console.print(
            f"about {_format_seconds(expected)}; {_format_seconds(self.seconds_left)} left in all"
        )
        began = time.monotonic()
        yield
        self._done[name] = time.monotonic() - began
        self._console.print(f"{name}: took {_format_seconds(self._done[name])}")

    @property
    def seconds_left(self) -> float:
        """Estimated seconds of all steps that have not ended."""
        waiting = [s for name, s in self._expected.items() if name not in self._done]
        return sum(waiting) * self._slowdown

    @property
    def _slowdown(self) -> float:
        """Ratio of elapsed to expected time of the finished steps."""
        if not self._done:
            return 1.0
        return sum(self._done.values()) / sum(self._expected[name] for name in self._done)


def _format_seconds(seconds: float) -> str:
    """`48 s`, `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
