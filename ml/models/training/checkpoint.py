"""Resumable training state, saved after every epoch to a file or to the model bucket."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ml.core.errors import ObjectNotFound
from ml.core.types import EpochResult
from ml.models.training.optimizer import Schedule
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

_FACTS = "facts"
_LENGTH_BYTES = 8  # of the header, little-endian, at the start of every safetensors file


@dataclass(frozen=True)
class SavedState:
    """The state of a run after an epoch, as safetensors stores it: named tensors and JSON facts."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class CheckpointBackend(Protocol):
    """Stores the bytes of one checkpoint, as a whole or not at all."""

    def read(self) -> bytes | None:
        """The stored bytes; None if there are none."""

    def write(self, data: bytes) -> None:
        """Replace the stored bytes; a kill during the call leaves the previous ones."""

    def delete(self) -> None:
        """Remove the bytes; idempotent."""


class CheckpointFile:
    """A checkpoint in a local file, whose folder exists."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """The file's bytes; None if there is no file."""
        return self._path.read_bytes() if self._path.is_file() else None

    def write(self, data: bytes) -> None:
        """Write a temporary file next to the checkpoint, then rename it."""
        part = self._path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(self._path)

    def delete(self) -> None:
        """Remove the file; idempotent."""
        self._path.unlink(missing_ok=True)


class CheckpointObject:
    """A checkpoint in an object of the model bucket."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key

    def read(self) -> bytes | None:
        """The object's bytes; None if there is no object."""
        try:
            return self._store.get(self._key)
        except ObjectNotFound:
            return None

    def write(self, data: bytes) -> None:
        """Replace the object; object storage does so atomically."""
        self._store.put(self._key, data)

    def delete(self) -> None:
        """Remove the object; idempotent."""
        self._store.delete(self._key)


class Checkpoints:
    """The latest state of one run, from which a killed run resumes."""

    def __init__(self, backend: CheckpointBackend) -> None:
        self._backend = backend

    def load(self) -> SavedState | None:
        """The state after the last saved epoch; None before the first.

        A damaged checkpoint counts as none, with a warning in the log.
        """
        data = self._backend.read()
        if data is None:
            return None
        try:
            return SavedState(load(data), _read_facts(data))
        except SafetensorError as error:
            log.warning("the checkpoint is damaged: training starts again", error=str(error))
            return None

    def save(self, state: SavedState) -> None:
        """Replace the previous state."""
        facts = json.dumps(state.facts, allow_nan=False)
        self._backend.write(save(state.tensors, metadata={_FACTS: facts}))

    def remove(self) -> None:
        """Delete the state once the run's result is stored."""
        self._backend.delete()


def _read_facts(data: bytes) -> dict[str, Any]:
    """The JSON that `save` put into the header; safetensors reads metadata from files only.

    https://huggingface.co/docs/safetensors/index#format
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = json.loads(data[_LENGTH_BYTES:end])
    facts: dict[str, Any] = json.loads(header["__metadata__"][_FACTS])
    return facts


@dataclass
class TrainState:
    """Everything that changes while a network is trained.

    `average` is None unless the preset asks for a moving average; `best` is empty without early
    stopping.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    generator: torch.Generator
    history: list[EpochResult]
    best: dict[str, torch.Tensor]
    average: AveragedModel | None = None

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is validated and whose weights are the result."""
        return self.network if self.average is None else self.average.module

    def capture(self) -> SavedState:
        """Everything that `restore` needs to continue exactly where this state stands."""
        optimizer = self.optimizer.state_dict()
        tensors = {
            **_add_prefix("network", self.network.state_dict()),
            **_add_prefix("best", self.best),
            **_add_prefix("average", self.average.state_dict() if self.average else {}),
            **_add_prefix("optimizer", _flatten_slots(optimizer["state"])),
            "chance": self.generator.get_state(),
        }
        return SavedState(
            tensors={name: t.detach().cpu().contiguous() for name, t in tensors.items()},
            facts={
                "groups": optimizer["param_groups"],
                "schedule": self.schedule.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
            },
        )

    def restore(self, saved: SavedState) -> None:
        """Load a captured state; this one must have been built from the same recipe."""
        self.network.load_state_dict(_with_prefix("network", saved.tensors))
        self.best = _with_prefix("best", saved.tensors)
        if self.average is not None:
            self.average.load_state_dict(_with_prefix("average", saved.tensors))
        self.optimizer.load_state_dict(
            {"state": self._optimizer_slots(saved), "param_groups": saved.facts["groups"]}
        )
        self.schedule.load_state_dict(saved.facts["schedule"])
        self.generator.set_state(saved.tensors["chance"])
        self.history = [EpochResult(**epoch) for epoch in saved.facts["history"]]

    def _optimizer_slots(self, saved: SavedState) -> dict[int, dict[str, torch.Tensor]]:
        """Slots by parameter number of the optimizer, in the memory layout of the parameter."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _with_prefix("optimizer", saved.tensors).items():
            number, slot = name.split(".", 1)
            slots.setdefault(int(number), {})[slot] = _match_layout(tensor, parameters[int(number)])
        return slots


def best_epoch(history: Iterable[EpochResult]) -> int:
    """Number of the epoch with the lowest validation loss; the first of equals."""
    return min(history, key=lambda epoch: (epoch.validation_loss, epoch.number)).number


def _match_layout(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    # Fused optimizers walk parameter and slot in memory order: a contiguous slot next to a
    # channels-last kernel would be applied to the wrong weights, without an error.
    if tensor.shape != parameter.shape:
        return tensor  # a step counter
    return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def _flatten_slots(slots: Mapping[int, Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{name}": value
        for number, values in slots.items()
        for name, value in values.items()
        if isinstance(value, torch.Tensor)  # SGD without momentum stores None
    }


def _add_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose name starts with the prefix, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
