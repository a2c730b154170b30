"""The moving average of a network's weights, which is better than where they stand."""

import torch
from torch import nn

_WARM_UP = 10.0  # batches after which the average begins to reach back further than the start


class Average:
    """Exponential moving average of all of a network's state, batch norm's statistics included.

    Args:
        network: is read, never changed.
        stays: share of the average that stays at each batch, 0..1. It grows to that: after n
            batches (1 + n) / (10 + n) stays at most, or the drawn start would linger.
        state: an average to go on from.
    """

    def __init__(self, network: nn.Module, stays: float, state: dict[str, torch.Tensor]) -> None:
        self._network = network
        self._stays = stays
        self.state = state or {n: t.detach().clone() for n, t in network.state_dict().items()}

    def after_batch(self, batches: int) -> None:
        """Take the network in, as it is after so many batches."""
        stays = min(self._stays, (1.0 + batches) / (_WARM_UP + batches))
        with torch.no_grad():
            for name, tensor in self._network.state_dict().items():
                if tensor.is_floating_point():
                    self.state[name].lerp_(tensor, 1.0 - stays)
                else:
                    self.state[name].copy_(tensor)
