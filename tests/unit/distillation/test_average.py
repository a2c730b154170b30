import torch
from torch import nn

from ml.distillation.average import Average


def _network(value: float) -> nn.Module:
    network = nn.BatchNorm1d(3)
    with torch.no_grad():
        for tensor in (network.weight, network.running_mean):
            tensor.fill_(value)
    return network


def test_the_average_begins_quickly_and_then_moves_slowly() -> None:
    network = _network(0.0)
    average = Average(network, 0.9, {})
    nn.init.constant_(network.weight, 1.0)
    average.after_batch(1)  # (1 + 1) / (10 + 1) stays
    assert torch.allclose(average.state["weight"], torch.full((3,), 9 / 11))
    average.after_batch(10_000)  # 0.9 stays
    assert torch.allclose(average.state["weight"], torch.full((3,), 1 - 2 / 11 * 0.9))


def test_statistics_are_averaged_too_and_counters_are_copied() -> None:
    network = _network(0.0)
    average = Average(network, 0.5, {})
    network.running_mean.fill_(4.0)
    network.num_batches_tracked.fill_(7)
    average.after_batch(10_000)
    assert torch.allclose(average.state["running_mean"], torch.full((3,), 2.0))
    assert int(average.state["num_batches_tracked"]) == 7


def test_it_goes_on_from_a_given_state_and_leaves_the_network_alone() -> None:
    network = _network(1.0)
    given = {name: torch.zeros_like(t) for name, t in network.state_dict().items()}
    average = Average(network, 0.75, given)
    average.after_batch(10_000)
    assert torch.allclose(average.state["weight"], torch.full((3,), 0.25))
    assert torch.equal(network.weight, torch.ones(3))
