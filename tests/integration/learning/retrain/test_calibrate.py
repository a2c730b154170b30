from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.core.errors import RunNotStarted, TrainingError
from ml.core.settings import ROOT
from ml.core.types import EpochResult
from ml.learning.retrain.calibrate import calibrate, evaluate_held_out, write_version
from ml.learning.retrain.training_artifact import TrainingArtifact, save_artifact
from ml.models import registry
from ml.models.bound_state import KEPT_REVIEW_SHARE, SOLVED, TOO_FEW
from ml.models.card import ModelCard, PretrainedWeights
from ml.models.checkpoint import load_checkpoint
from ml.models.evaluation.calibration import fit_temperature
from ml.models.load_check import check_probe
from ml.models.nearest_photos import Surroundings
from ml.models.out_of_fold import load_out_of_fold
from ml.models.training_manifest import read_training_manifest
from ml.policy.schema import load_policy
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.photo_cache import cache_photo
from ml.storage.retrain_runs import RetrainRun
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

RUN, KEY, SNAPSHOT = "retrain__2026-10", "ab" * 32, "5" * 64
POLICY = load_policy(ROOT / "config" / "policy.yaml")


@pytest.fixture(scope="module")
def trained(champion_folder: Path) -> TrainingArtifact:
    """The test champion's network with invented held-out logits, overconfident."""
    checkpoint = load_checkpoint(champion_folder)
    rng = np.random.default_rng(0)
    crop = checkpoint.card.preprocessing.crop

    def held_out(photos: int) -> tuple[np.ndarray, np.ndarray]:
        labels = (rng.random(photos) < 0.3).astype(np.int64)
        margin = np.where(labels == 1, 5.0, -5.0) + rng.normal(0.0, 3.0, photos)
        return np.stack([-2 * margin, 2 * margin], axis=1).astype(np.float32), labels

    logits, labels = held_out(2000)
    return TrainingArtifact(
        state=checkpoint.state,
        classes=checkpoint.card.classes,
        preprocessing=checkpoint.card.preprocessing,
        pretrained_weights=PretrainedWeights(kind="champion", detail=checkpoint.card.model_hash),
        preset="monthly",
        data_hash="1" * 64,
        training_images=1000,
        libraries={"torch": "2"},
        seed=3,
        history=[EpochResult(n, 2, 0.5 / n, 0.8, 0.6 / n, 0.7, 0.001, 12.5) for n in (1, 2)],
        held_out_logits=logits,
        held_out_labels=labels,
        held_out_weights=np.where(np.arange(2000) % 4 == 0, 10.0, 1.0),
        held_out_groups=np.arange(2000),
        held_out_hashes=[f"{n:064x}" for n in range(2000)],
        compared=[],
        around=None,
        train_hashes=["7" * 64, "6" * 64],
        probe_pixels=torch.from_numpy(rng.integers(0, 256, (8, 3, crop, crop), dtype=np.uint8)),
    )


def begin(shop: Shop, trained: TrainingArtifact, *, snapshot: bool = True) -> None:
    """Write what the earlier steps of the run write."""
    run = RetrainRun(
        run_id=RUN,
        as_of=datetime(2026, 10, 1, tzinfo=UTC),
        policy=POLICY,
        preset="monthly",
        seed=3,
        champion_hash=shop.model_hash,
    )
    in_transaction(shop.connections.engine, lambda c: retrain_runs.begin(c, run))
    save_artifact(shop.connections.models, KEY, trained)
    if not snapshot:
        return
    shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values (:golden, 'golden-2026-10', 1, 1)",
        golden="4" * 64,
    )
    shop.execute(
        "insert into moderation.label_snapshot "
        "(snapshot_hash, as_of, golden_hash, photos, new_photos) values (:s, now(), :golden, 1, 1)",
        s=SNAPSHOT,
        golden="4" * 64,
    )
    shop.execute("update moderation.retrain_run set snapshot_hash = :s", s=SNAPSHOT)


def write(artifact: TrainingArtifact, folder: Path) -> ModelCard:
    evaluation = evaluate_held_out(artifact, POLICY)
    folder.mkdir(exist_ok=True)
    return write_version(artifact, evaluation, folder, snapshot_hash=SNAPSHOT)


def run_step(shop: Shop) -> str:
    return calibrate(RUN, KEY, settings=shop.settings, connections=shop.connections)


def end_state(shop: Shop) -> list[list[tuple[object, ...]]]:
    return [
        shop.rows("select model_hash, snapshot_hash from moderation.model_version order by 1"),
        shop.rows("select run_id, candidate_hash, state from moderation.retrain_run"),
        shop.rows("select * from moderation.training_epoch order by epoch"),
    ]


def test_calibrate_registers_a_complete_version_as_candidate(
    shop: Shop, trained: TrainingArtifact, tmp_path: Path
) -> None:
    around = Surroundings(np.linspace(0.0, 1.0, 2000), np.linspace(0.2, 0.9, 2000))
    begin(shop, replace(trained, around=around))
    candidate = run_step(shop)
    versions, runs, epochs = end_state(shop)
    assert dict(versions) == {shop.model_hash: None, candidate: SNAPSHOT}
    assert runs == [(RUN, candidate, "running")]
    assert epochs == [
        (RUN, 1, 0.5, 0.8, 0.6, 0.7, 0.001, 12.5),
        (RUN, 2, 0.25, 0.8, 0.3, 0.7, 0.001, 12.5),
    ]
    models = shop.connections.models
    assert read_training_manifest(models, candidate) == {"6" * 64, "7" * 64}
    for name in ("metrics.json", "plots/reliability.png", "plots/training.png"):
        assert models.get(f"models/{candidate}/{name}")
    found = load_out_of_fold(models, candidate)
    assert found is not None
    assert list(found.hashes) == trained.held_out_hashes
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(2000))
    registry.fetch(candidate, store=models, cache=tmp_path)
    probe = models.get(f"models/{candidate}/probe.safetensors")
    (tmp_path / candidate / "probe.safetensors").write_bytes(probe)
    assert check_probe(tmp_path / candidate, model_hash=candidate) < 1e-3
    assert not list(shop.settings.data_dir.glob("candidate-*"))


def test_card_has_temperature_threshold_and_metrics(
    trained: TrainingArtifact, tmp_path: Path
) -> None:
    card = write(trained, tmp_path)
    assert load_checkpoint(tmp_path).card == card
    assert card.snapshot_hash == SNAPSHOT
    assert card.calibration.fitted_on == 2000
    assert card.calibration.temperature == fit_temperature(
        trained.held_out_logits.astype(np.float64), trained.held_out_labels
    )
    assert card.calibration.temperature > 1.5
    assert card.thresholds.source.startswith(SOLVED)
    evidence = card.thresholds.evidence
    assert evidence is not None
    assert (evidence.photos, evidence.target_rate, evidence.confidence) == (2000, 0.03, 0.95)
    assert evidence.upper_bound <= 0.03
    assert card.metrics["photos"] == 2000
    assert card.metrics["verdicts"]["pass_confidence"] == card.thresholds.pass_confidence
    # The violation score is that of the violation class, tempered.
    margin = (trained.held_out_logits[:, 1] - trained.held_out_logits[:, 0]).astype(float)
    score = 1.0 / (1.0 + np.exp(-margin / card.calibration.temperature))
    passing = (1.0 - score >= card.thresholds.pass_confidence) & (score < 0.5)
    weights = trained.held_out_weights
    assert evidence.review_rate == pytest.approx(weights[~passing].sum() / weights.sum())


def test_retry_registers_the_same_version(shop: Shop, trained: TrainingArtifact) -> None:
    begin(shop, trained)
    first, before = run_step(shop), end_state(shop)
    # Killed after the registration: its folder is left, the rows of the run are not written yet.
    abandoned = shop.settings.data_dir / "candidate-killed"
    abandoned.mkdir()
    shop.execute("update moderation.retrain_run set candidate_hash = null")
    shop.execute("update moderation.model_version set snapshot_hash = null")
    shop.execute("delete from moderation.training_epoch")
    assert run_step(shop) == first
    assert end_state(shop) == before
    assert not abandoned.exists()


def test_too_few_labels_keep_the_policys_threshold(
    trained: TrainingArtifact, tmp_path: Path
) -> None:
    few = replace(
        trained,
        held_out_logits=trained.held_out_logits[:50],
        held_out_labels=trained.held_out_labels[:50],
        held_out_weights=np.ones(50),
        held_out_groups=np.arange(50),
        held_out_hashes=trained.held_out_hashes[:50],
    )
    card = write(few, tmp_path)
    assert (card.thresholds.pass_confidence, card.thresholds.evidence) == (0.7, None)
    assert card.thresholds.source.startswith(TOO_FEW)


def test_version_that_leaks_too_much_keeps_the_champions_review_share(
    shop: Shop, trained: TrainingArtifact, tmp_path: Path
) -> None:
    models, margin = shop.connections.models, np.linspace(-40.0, 40.0, 60)
    leaky = replace(
        trained,
        held_out_logits=np.stack([-margin, margin], axis=1).astype(np.float32),
        held_out_labels=np.arange(60) % 2,
        held_out_weights=np.ones(60),
        held_out_groups=np.arange(60),
        # The champion does not let dark photos pass.
        held_out_hashes=[
            cache_photo(models, photo(DARK if i % 4 else BRIGHT, seed=i)) for i in range(60)
        ],
    )
    begin(shop, leaky)
    candidate = registry.fetch(run_step(shop), store=models, cache=tmp_path)
    thresholds = candidate.card.thresholds
    assert thresholds.source.startswith(KEPT_REVIEW_SHARE)
    assert 0.15 < candidate.card.metrics["verdicts"]["pass_rate"] <= 0.25
    assert thresholds.pass_confidence > POLICY.pass_confidence


def test_card_has_the_rule_for_similar_decided_photos_where_it_saves_leaks(
    trained: TrainingArtifact, tmp_path: Path
) -> None:
    labels = trained.held_out_labels == 1
    knowing = Surroundings(np.where(labels, 0.9, 0.1), np.linspace(0.1, 0.9, len(labels)))
    card = write(replace(trained, around=knowing, history=[]), tmp_path / "knowing")
    assert card.memory is not None
    assert card.memory.leaks_saved > 0
    assert card.min_similarity == pytest.approx(0.104, abs=0.001)
    assert write(replace(trained, around=knowing), tmp_path / "other").min_similarity is None
    useless = Surroundings(np.full(len(labels), 0.3), knowing.similarity)
    assert write(replace(trained, around=useless), tmp_path / "useless").memory is None


def test_error_without_held_out_photos_has_a_remedy(
    trained: TrainingArtifact, tmp_path: Path
) -> None:
    none = replace(
        trained,
        held_out_logits=trained.held_out_logits[:0],
        held_out_labels=trained.held_out_labels[:0],
        held_out_weights=trained.held_out_weights[:0],
        held_out_groups=trained.held_out_groups[:0],
        held_out_hashes=[],
    )
    with pytest.raises(TrainingError, match="label more photos"):
        write(none, tmp_path)
    assert not list(tmp_path.iterdir())


def test_run_without_a_snapshot_is_rejected(shop: Shop, trained: TrainingArtifact) -> None:
    begin(shop, trained, snapshot=False)
    with pytest.raises(RunNotStarted, match="snapshot_labels"):
        run_step(shop)
