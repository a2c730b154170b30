"""Where a training run stands between two epochs: all that the next one depends on, to be kept."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import nn

from ml.training.optimiser import Schedule
from ml.training.progress import EpochResult


@dataclass(frozen=True)
class TrainingState:
    """A run after an epoch, in what safetensors can hold: named tensors and JSON facts."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class Checkpoints(Protocol):
    """Keeps the latest state of one run, from which a killed run goes on."""

    def load(self) -> TrainingState | None:
        """The state after the last epoch that was kept; None before the first."""

    def save(self, state: TrainingState) -> None:
        """Keep a state in the place of the one before; its tensors change as training goes on."""


@dataclass
class Moving:
    """All that changes while a network is trained; `best` is empty without early stopping."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    chance: torch.Generator
    history: list[EpochResult]
    best: dict[str, torch.Tensor]

    def capture(self) -> TrainingState:
        """What `restore` needs to go on as if nothing had happened."""
        slots = self.optimiser.state_dict()
        named = {
            **_prefixed("network", self.network.state_dict()),
            **_prefixed("best", self.best),
            **_prefixed("optimiser", _flat(slots["state"])),
            "chance": self.chance.get_state(),
        }
        return TrainingState(
            tensors={name: t.detach().cpu().contiguous() for name, t in named.items()},
            facts={
                "groups": slots["param_groups"],
                "schedule": self.schedule.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
            },
        )

    def restore(self, state: TrainingState) -> None:
        """Stand where `capture` was called; the same recipe must have built what is here."""
        self.network.load_state_dict(_below("network", state.tensors))
        self.best = _below("best", state.tensors)
        self.optimiser.load_state_dict(
            {"state": self._slots(state), "param_groups": state.facts["groups"]}
        )
        self.schedule.load_state_dict(state.facts["schedule"])
        self.chance.set_state(state.tensors["chance"])
        self.history = [EpochResult(**epoch) for epoch in state.facts["history"]]

    def _slots(self, state: TrainingState) -> dict[int, dict[str, torch.Tensor]]:
        """Per parameter, in the optimiser's own numbering, as the parameter lies in memory."""
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        found: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below("optimiser", state.tensors).items():
            number, slot = name.split(".", 1)
            laid_out = _like(tensor, parameters[int(number)])
            found.setdefault(int(number), {})[slot] = laid_out
        return found


def best_epoch(history: Iterable[EpochResult]) -> int:
    """Number of the epoch with the lowest validation loss, the first of equals."""
    return min(history, key=lambda epoch: (epoch.validation_loss, epoch.number)).number


def _like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    # Fused optimisers walk parameter and slot in memory order: a contiguous slot beside a
    # channels-last kernel would be applied to the wrong weights, without an error.
    if tensor.shape != parameter.shape:
        return tensor  # a step counter
    return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def _flat(slots: Mapping[int, Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{name}": value
        for number, values in slots.items()
        for name, value in values.items()
        if isinstance(value, torch.Tensor)  # SGD without momentum has None
    }


def _prefixed(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
