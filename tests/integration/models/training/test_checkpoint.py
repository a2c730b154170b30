import pytest
import torch
from structlog.testing import capture_logs

from ml.models.training.checkpoint import Checkpoints, SavedState, checkpoint_object
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

KEY = "training/test/epoch.safetensors"
STATE = SavedState(
    tensors={"network.x": torch.arange(6.0).view(2, 3), "chance": torch.ones(4, dtype=torch.uint8)},
    facts={"history": [{"loss": 0.1 + 0.2}], "name": "名"},
)


def test_checkpoints_in_the_bucket_return_the_last_saved_state_until_removed(shop: Shop) -> None:
    checkpoints = Checkpoints(checkpoint_object(shop.connections.models, KEY))
    assert checkpoints.load() is None
    checkpoints.save(SavedState({"network.x": torch.zeros(1)}, {"history": []}))
    checkpoints.save(STATE)
    loaded = Checkpoints(checkpoint_object(shop.connections.models, KEY)).load()
    assert loaded is not None
    assert loaded.facts == STATE.facts
    assert loaded.tensors.keys() == STATE.tensors.keys()
    assert all(torch.equal(t, STATE.tensors[n]) for n, t in loaded.tensors.items())
    checkpoints.remove()
    assert checkpoints.load() is None


def test_checkpoints_log_a_damaged_object_and_load_nothing(shop: Shop) -> None:
    checkpoints = Checkpoints(checkpoint_object(shop.connections.models, KEY))
    checkpoints.save(STATE)
    complete = shop.connections.models.get(KEY)
    shop.connections.models.put(KEY, complete[:-3])
    with capture_logs() as logs:
        assert checkpoints.load() is None
    assert logs[0]["log_level"] == "warning"
