"""Result of one variant in the throughput comparison."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Throughput:
    """Wall time for a number of photos.

    `stages` are busy seconds, summed over threads: concurrent stages add up to more than the wall
    time.
    """

    name: str
    photos: int
    wall_seconds: float
    stages: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """Photos per second of wall time."""
        return self.photos / self.wall_seconds
