"""The budget of processor time for reading text, which costs a hundred times as much as a look."""

from dataclasses import dataclass

from ml.core.budget import Budget

EXPECTED_SECONDS = 0.3  # of OCR per photo, until some were measured; 0.06 to 0.36 s of a core
_EXPECTATION_WEIGHT = 5  # number of measured photos that the expectation counts as


@dataclass(frozen=True)
class OcrCost:
    """What reading one photo took: wall-clock and CPU seconds; whether it succeeded."""

    wall_seconds: float
    cpu_seconds: float
    succeeded: bool


class OcrBudget:
    """A budget of CPU seconds; what the reads in work will cost is set aside.

    `share` is what the budget earns for each second of reading itself: with 1 it covers everything.
    Used by one thread at a time.
    """

    def __init__(
        self, budget: Budget, share: float = 0.0, expected_seconds: float = EXPECTED_SECONDS
    ) -> None:
        self.budget, self._share = budget, share
        self._in_work = 0
        self._seconds = expected_seconds * _EXPECTATION_WEIGHT
        self._photos = float(_EXPECTATION_WEIGHT)

    def covers(self, photos: int) -> bool:
        """Whether so many photos can begin to be read: the last one while anything is left."""
        expected = (1.0 - self._share) * self._seconds / self._photos
        return self.budget.level - (self._in_work + photos - 1) * expected > 0

    def take(self) -> bool:
        """Begin to read a photo if anything is left; started work is finished."""
        if not self.covers(1):
            return False
        self._in_work += 1
        return True

    def add_cost(self, cost: OcrCost) -> None:
        """Charge what a photo took; a failure does not enter the mean cost of a photo."""
        self._in_work -= 1
        self.budget.spend(cost.cpu_seconds)
        if cost.succeeded:
            self._seconds += cost.cpu_seconds
            self._photos += 1
