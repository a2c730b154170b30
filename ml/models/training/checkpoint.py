"""Resumable training state, saved after every epoch to a file or to the model bucket."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from ml.core.errors import ObjectNotFound
from ml.core.files import write_file
from ml.core.types import EpochResult
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

_FACTS = "facts"  # tensor with the facts as JSON, UTF-8


@dataclass(frozen=True)
class SavedState:
    """The state of a run after an epoch: named tensors, and facts that are JSON values."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


@dataclass(frozen=True)
class CheckpointBackend:
    """Stores the bytes of one checkpoint, as a whole or not at all.

    `read` returns None if there are none. A kill during `write` leaves the previous bytes. `delete`
    is idempotent.
    """

    read: Callable[[], bytes | None]
    write: Callable[[bytes], None]
    delete: Callable[[], None]


def checkpoint_file(path: Path) -> CheckpointBackend:
    """A checkpoint in a local file, whose folder exists."""
    return CheckpointBackend(
        read=lambda: path.read_bytes() if path.is_file() else None,
        write=partial(write_file, path),
        delete=partial(path.unlink, missing_ok=True),
    )


def checkpoint_object(store: ObjectStore, key: str) -> CheckpointBackend:
    """A checkpoint in an object of the model bucket."""

    def read() -> bytes | None:
        try:
            return store.get(key)
        except ObjectNotFound:
            return None

    return CheckpointBackend(read, partial(store.put, key), partial(store.delete, key))


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
            tensors = load(data)
            return SavedState(tensors, json.loads(tensors.pop(_FACTS).numpy().tobytes()))
        except (SafetensorError, KeyError) as error:
            log.warning(
                "the checkpoint is damaged or of another version: training starts again",
                error=str(error),
            )
            return None

    def save(self, state: SavedState) -> None:
        """Replace the previous state."""
        facts = json.dumps(state.facts, allow_nan=False).encode()
        text = torch.frombuffer(bytearray(facts), dtype=torch.uint8)
        self._backend.write(save({**state.tensors, _FACTS: text}))

    def remove(self) -> None:
        """Delete the state once the run's result is stored."""
        self._backend.delete()


@dataclass
class TrainState:
    """Everything that changes while a network is trained.

    `total_batches` are those of all epochs. `average` is the moving average of the network's
    weights; None: there is none. `best` holds the best epoch's weights; empty without early
    stopping. `validation_logits` (N, C) are those after each epoch.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    total_batches: int
    generator: torch.Generator
    average: AveragedModel | None = None
    history: list[EpochResult] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    validation_logits: list[torch.Tensor] = field(default_factory=list)

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is validated and whose weights are the result."""
        return self.network if self.average is None else self.average.module

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the lowest validation loss; the first of equals."""
        return min(self.history, key=lambda epoch: epoch.validation_loss).number

    def apply(self, loss: torch.Tensor) -> None:
        """Change the weights, their average and the learning rate after a batch."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        self.optimizer.step()
        if self.schedule.last_epoch < self.total_batches - 1:
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def load_result(self) -> None:
        """Load the best epoch's weights into the network if they were kept, else the last ones."""
        self.network.load_state_dict(self.best or self.evaluated_network.state_dict())
        self.network.eval()

    def capture(self) -> SavedState:
        """Everything that `restore` needs to continue exactly where this state stands."""
        optimizer = self.optimizer.state_dict()
        groups = {
            "network": self.network.state_dict(),
            "best": self.best,
            "average": self.average.state_dict() if self.average else {},
            "optimizer": _flatten_slots(optimizer["state"]),
            "random": {"generator": self.generator.get_state()},
            "validation": {f"{n:04}": logits for n, logits in enumerate(self.validation_logits)},
        }
        return SavedState(
            tensors={
                f"{group}.{name}": tensor.detach().cpu().contiguous()
                for group, tensors in groups.items()
                for name, tensor in tensors.items()
            },
            facts={
                "groups": optimizer["param_groups"],
                "schedule": self.schedule.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
            },
        )

    def restore(self, saved: SavedState) -> None:
        """Load a captured state; this one must have been built from the same recipe."""
        groups: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in saved.tensors.items():
            group, _, name_in_group = name.partition(".")
            groups.setdefault(group, {})[name_in_group] = tensor
        self.network.load_state_dict(groups["network"])
        self.best = groups.get("best", {})
        self.validation_logits = [
            tensor for _, tensor in sorted(groups.get("validation", {}).items())
        ]
        if self.average is not None:
            self.average.load_state_dict(groups["average"])
        slots = self._optimizer_slots(groups.get("optimizer", {}))
        self.optimizer.load_state_dict({"state": slots, "param_groups": saved.facts["groups"]})
        self.schedule.load_state_dict(saved.facts["schedule"])
        self.generator.set_state(groups["random"]["generator"])
        self.history = [EpochResult(**epoch) for epoch in saved.facts["history"]]

    def _optimizer_slots(
        self, tensors: Mapping[str, torch.Tensor]
    ) -> dict[int, dict[str, torch.Tensor]]:
        """Slots by parameter number of the optimizer, in the memory layout of the parameter."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            number, slot = name.split(".", 1)
            slots.setdefault(int(number), {})[slot] = _match_layout(tensor, parameters[int(number)])
        return slots


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
