"""A run that compares its usual start with weights that an earlier run distilled."""

from pathlib import Path

import pytest

from ml.core.errors import ModelHashMismatch, RunNotStarted
from ml.core.manifest import Split
from ml.learning.retrain.starts import fetch_weights
from ml.learning.retrain.train import train_candidate
from ml.learning.retrain.training_artifact import load_artifact
from ml.models.bundled_weights import FOLDER, WEIGHTS, read_bundled_card
from ml.policy.schema import Policy, load_policy
from ml.storage import pretrained_weights, retrain_runs
from ml.storage.database import in_transaction
from ml.storage.pretrained_weights import RegisteredWeights
from ml.storage.retrain_runs import RetrainRun
from tests.integration.learning.retrain.snapshot_fixtures import (
    PARTS,
    begin_month,
    keep_photos,
    write_preset,
)
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

SHA256 = read_bundled_card().sha256


def register_weights(shop: Shop, run_id: str = "earlier") -> str:
    """Weights as an earlier run registers them: the bundled ones; returns their key."""
    key = f"training/distillation-{run_id}/{SHA256}.safetensors"
    shop.connections.models.put(key, (FOLDER / WEIGHTS).read_bytes())
    weights = RegisteredWeights(SHA256, key, {}, run_id)
    in_transaction(shop.connections.engine, pretrained_weights.register, weights)
    return key


def _newest(shop: Shop) -> str | None:
    return in_transaction(shop.connections.engine, pretrained_weights.load_newest)


def _run(shop: Shop) -> RetrainRun:
    return in_transaction(shop.connections.engine, lambda c: retrain_runs.load(c, "month"))


def _set(shop: Shop, **values: object) -> None:
    in_transaction(shop.connections.engine, lambda c: retrain_runs.set_values(c, "month", **values))


@pytest.fixture
def month(shop: Shop, tmp_path: Path) -> Shop:
    """A run that has weights to compare, with a preset of one epoch."""
    raw = load_policy(shop.settings.policy_file).model_dump(mode="json")
    raw["retraining"]["distillation"] |= {"enabled": True}
    preset = write_preset(tmp_path, epochs=1, head="fitted")
    policy = Policy.model_validate(raw)
    begin_month(shop, keep_photos(shop, PARTS), preset=preset, policy=policy)
    register_weights(shop)
    _set(shop, weights_sha256=SHA256)
    return shop


def _train(shop: Shop) -> str:
    return train_candidate("month", settings=shop.settings, connections=shop.connections)


def test_run_measures_all_starts_on_held_out_photos_and_trains_from_the_best(
    month: Shop,
) -> None:
    key = _train(month)
    starts = _run(month).starts
    assert starts is not None
    trained = load_artifact(month.connections.models, key)
    [chosen] = [start for start in starts if start["chosen"]]
    assert chosen["detail"] == trained.pretrained_weights.detail
    assert {start["kind"] for start in starts} == {"bundled", "champion"}
    assert {start["photos"] for start in starts} == {PARTS[Split.TRAIN]}
    assert chosen["log_loss"] == min(start["log_loss"] for start in starts)
    assert _train(month) == key  # a retry trains nothing
    assert _run(month).starts == starts
    assert not list((month.settings.data_dir / "training").glob("weights-*"))  # only while it runs


def test_weights_are_compared_once(month: Shop) -> None:
    assert _newest(month) == SHA256
    _set(month, starts=[])
    assert _newest(month) is None


def test_files_of_weights_are_needed_while_they_are_the_newest_or_compared(month: Shop) -> None:
    def needed() -> list[str]:
        return in_transaction(month.connections.engine, pretrained_weights.list_needed_files)

    mine = f"training/distillation-earlier/{SHA256}.safetensors"
    assert needed() == [mine]
    newer = RegisteredWeights("f" * 64, "training/distillation-later/x", {}, "later")
    in_transaction(month.connections.engine, pretrained_weights.register, newer)
    assert sorted(needed()) == [mine, newer.object_key]
    _set(month, state="held")
    assert needed() == [newer.object_key]


def test_fetch_weights_rejects_other_bytes_and_unknown_weights(month: Shop, tmp_path: Path) -> None:
    key = register_weights(month)
    month.connections.models.put(key, b"other")
    with pytest.raises(ModelHashMismatch):
        fetch_weights(SHA256, tmp_path, connections=month.connections)
    register_weights(month)
    assert fetch_weights(SHA256, tmp_path, connections=month.connections).parent == tmp_path
    with pytest.raises(RunNotStarted):
        fetch_weights("0" * 64, tmp_path, connections=month.connections)
