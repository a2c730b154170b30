"""The state of a training run in a file, replaced whole after each epoch; stops when time is up."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ml.errors import TrainingError
from ml.training.state import TrainingState

_FACTS = "facts"


class TimeUp(TrainingError):
    """The run's time is over; what it has done is kept."""


class FileCheckpoints:
    """The `Checkpoints` of one run. A kill during `save` leaves the epoch before.

    Args:
        path: of the file; its folder is there.
        seconds: after which `save` ends the run; the next one goes on from there.
        clock: seconds, rising.
    """

    def __init__(
        self, path: Path, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._clock = clock
        self._end = clock() + seconds

    def load(self) -> TrainingState | None:
        """The state that was saved last; None before the first."""
        if not self._path.is_file():
            return None
        with safe_open(self._path, "pt") as file:
            facts = json.loads(file.metadata()[_FACTS])
        return TrainingState(load_file(self._path), facts)

    def save(self, state: TrainingState) -> None:
        """Keep the state in the place of the one before.

        Raises:
            TimeUp: the state is kept, and the run's time is over.
        """
        part = self._path.with_suffix(".part")
        facts = json.dumps(state.facts, allow_nan=False)
        save_file(state.tensors, part, metadata={_FACTS: facts})
        part.replace(self._path)
        done = state.facts["history"][-1]
        if self._clock() >= self._end and done["number"] < done["epochs"]:
            raise TimeUp(
                f"{done['number']} of {done['epochs']} epochs are trained and kept in "
                f"{self._path.parent}; the same command goes on from there"
            )
