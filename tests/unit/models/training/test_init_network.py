from pathlib import Path

import torch

from ml.models.checkpoint import load_checkpoint
from ml.models.training.init_network import init_network
from tests.support.champion import make_champion

CLASSES = ("normal", "violate")


def test_init_network_continues_the_champion(tmp_path: Path) -> None:
    make_champion(tmp_path)
    champion = load_checkpoint(tmp_path)
    network, origin = init_network(CLASSES, seed=0, pretrained_weights="none", champion=champion)
    assert (origin.kind, origin.detail) == ("champion", champion.card.model_hash)
    state = network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in champion.state.items())


def test_seed_determines_random_weights_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (
        init_network(CLASSES, seed=seed, pretrained_weights="none")[0].head.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
