"""Figures of the comparison: ratios of each round, and their spread over the rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median

WALL: Callable[["Result"], float] = attrgetter("images_per_second")
CPU: Callable[["Result"], float] = attrgetter("images_per_cpu_second")
OURS = "ours"
ARTICLE = "article"
CEILING = "ceiling"  # not a system: what each stage of ours costs alone


@dataclass(frozen=True)
class Result:
    """One system in one round; `crop` is the side of the model's input in pixels.

    `name` tells variants of a system apart. `ready` is when the model was loaded, in seconds since
    the start; 0 where that is not known. `cpu_seconds` are those of all its processes.
    """

    round: int
    system: str
    name: str
    crop: int
    photos: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    ready: float
    stages: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """Photos per second of wall time, loading included."""
        return self.photos / self.wall_seconds

    @property
    def images_per_cpu_second(self) -> float:
        """Photos per second of processor time, which hardly depends on other load."""
        return self.photos / self.cpu_seconds

    @property
    def case(self) -> str:
        """Name and size, which tell the rows of the comparison apart."""
        return f"{self.name}, {self.crop} px"


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, between the smallest and the largest."""

    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(min(values), median(values), max(values))


def speeds(results: Sequence[Result]) -> dict[str, Spread]:
    """Return the images/s of each case, in the order of the first round."""
    return {
        case: spread([r.images_per_second for r in results if r.case == case])
        for case in dict.fromkeys(r.case for r in results)
    }


def ratios(
    results: Sequence[Result], speed: Callable[[Result], float]
) -> dict[str, dict[str, Spread]]:
    """Return the speed of each case of ours as a multiple of each peer's, by round.

    A peer's better variant of the round counts; the article's loop has one size, which all of ours
    are compared with, and other peers are compared at the same size.
    """
    ours = dict.fromkeys(r.case for r in results if r.system == OURS)
    peers = dict.fromkeys(r.system for r in results if r.system != OURS)
    found: dict[str, dict[str, Spread]] = {}
    for case in ours:
        of_peers = {peer: _ratios_of(results, speed, case, peer) for peer in peers}
        found[case] = {peer: spread(values) for peer, values in of_peers.items() if values}
    return found


def _ratios_of(
    results: Sequence[Result], speed: Callable[[Result], float], case: str, peer: str
) -> list[float]:
    values = []
    for own in (r for r in results if r.case == case):
        theirs = [
            speed(r)
            for r in results
            if r.round == own.round and r.system == peer and (peer == ARTICLE or r.crop == own.crop)
        ]
        if theirs:
            values.append(speed(own) / max(theirs))
    return values


def costs_of_screens(results: Sequence[Result], suffix: str) -> dict[str, Spread]:
    """Return the seconds of each case with screens as a multiple of those without, by round."""
    found = {}
    for case in dict.fromkeys(r.case for r in results if r.name.endswith(suffix)):
        values = [
            with_screens.wall_seconds / without.wall_seconds
            for with_screens in results
            if with_screens.case == case
            for without in results
            if without.round == with_screens.round
            and without.crop == with_screens.crop
            and without.name == with_screens.name.removesuffix(suffix)
        ]
        if values:
            found[case] = spread(values)
    return found
