import pytest
import torch
from structlog.testing import capture_logs

from ml.retraining.checkpoints import BucketCheckpoints
from ml.training.state import TrainingState
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

STATE = TrainingState(
    tensors={"network.x": torch.arange(6.0).view(2, 3), "chance": torch.ones(4, dtype=torch.uint8)},
    facts={"history": [{"loss": 0.1 + 0.2}], "name": "名"},
)


def test_a_state_comes_back_as_it_was_and_the_last_one_counts(shop: Shop) -> None:
    kept = BucketCheckpoints(shop.connections.models, "round-trip")
    assert kept.load() is None
    kept.save(TrainingState({"network.x": torch.zeros(1)}, {"history": []}))
    kept.save(STATE)
    found = BucketCheckpoints(shop.connections.models, "round-trip").load()
    assert found is not None
    assert found.facts == STATE.facts
    assert found.tensors.keys() == STATE.tensors.keys()
    assert all(torch.equal(t, STATE.tensors[n]) for n, t in found.tensors.items())
    kept.remove()
    assert kept.load() is None


def test_a_damaged_checkpoint_starts_the_training_again(shop: Shop) -> None:
    kept = BucketCheckpoints(shop.connections.models, "damaged")
    kept.save(STATE)
    whole = shop.connections.models.get(kept.name)
    shop.connections.models.put(kept.name, whole[:-3])
    with capture_logs() as logs:
        assert kept.load() is None
    assert logs[0]["log_level"] == "warning"
