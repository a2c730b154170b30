"""What one side of the throughput comparison took."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Seconds of wall time for a number of photos.

    `stages` are busy seconds, summed over threads: stages that run at the same time add up to more
    than the wall.
    """

    name: str
    photos: int
    wall_seconds: float
    stages: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """Photos a second of wall time."""
        return self.photos / self.wall_seconds
