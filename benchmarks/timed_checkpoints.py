"""Checkpoints that stop a training run when its time is used up; the next run resumes from them."""

import time
from collections.abc import Callable

from ml.core.errors import TrainingError
from ml.models.training.checkpoint import CheckpointBackend, Checkpoints, SavedState


class TimeUp(TrainingError):
    """The run's time is used up; its state is saved."""


class TimedCheckpoints(Checkpoints):
    """Checkpoints whose `save` ends the run after a time.

    Args:
        backend: stores the state.
        seconds: time of the run; its last epoch is never too late.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        backend: CheckpointBackend,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(backend)
        self._clock = clock
        self._end = clock() + seconds

    def save(self, state: SavedState) -> None:
        """Replace the previous state.

        Raises:
            TimeUp: the state is saved, and the run's time is used up.
        """
        super().save(state)
        last = state.facts["history"][-1]
        if self._clock() >= self._end and last["number"] < last["epochs"]:
            raise TimeUp(
                f"{last['number']} of {last['epochs']} epochs are trained and saved; run the same "
                "command again to continue"
            )
