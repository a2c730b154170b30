"""The state of a distillation in a file, replaced whole after each epoch."""

import json
from pathlib import Path

import structlog
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ml.training.state import TrainingState

log = structlog.get_logger()

_FACTS = "facts"


class FileCheckpoints:
    """The `Checkpoints` of one run.

    Args:
        path: a .safetensors file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> TrainingState | None:
        """The state that was saved last; None, with a warning, where it cannot be read."""
        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                return TrainingState(tensors, json.loads(file.metadata()[_FACTS]))
        except SafetensorError as error:
            log.warning("the checkpoint is damaged: training starts again", error=str(error))
            return None

    def save(self, state: TrainingState) -> None:
        """Put the state in the place of the one before; a kill leaves one or the other."""
        part = self._path.with_suffix(".part")
        facts = {_FACTS: json.dumps(state.facts, allow_nan=False)}
        save_file(state.tensors, part, metadata=facts)
        part.replace(self._path)

    def remove(self) -> None:
        """Free the room once the result is written."""
        self._path.unlink(missing_ok=True)
