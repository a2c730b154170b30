"""Turn a trained network into a model version: temperature, threshold, metrics, plots and card.

Temperature and threshold are fitted on out-of-fold logits: each photo's are of networks that saw
none of its group. Everything follows from the stored logits (and, where the bound is not met, from
the champion's scores), so that a retry gives the same card, and with it the same version.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import structlog
from sqlalchemy import Connection

from ml.core.errors import TrainingError
from ml.core.files import scratch_folder
from ml.core.settings import Settings
from ml.learning.retrain.compared_scores import model_scores
from ml.learning.retrain.comparison import spread_evenly
from ml.learning.retrain.scoring import load_predictor, score_photos
from ml.learning.retrain.training_artifact import TrainingArtifact, load_artifact
from ml.learning.snapshot.golden_set import lineage
from ml.models.bound_state import find_bound_state
from ml.models.card import ModelCard, Thresholds
from ml.models.evaluation.calibration import MIN_PHOTOS, keep_review_share, solve_threshold
from ml.models.evaluation.held_out_labels import HeldOutLabels, hold_out
from ml.models.evaluation.memory_rule import choose_memory_rule, find_min_similarity
from ml.models.load_check import write_probe
from ml.models.out_of_fold import OutOfFold, save_out_of_fold
from ml.models.predictor import apply_temperature
from ml.models.registry import register
from ml.models.training import pipeline
from ml.models.training.solved_computations import count_agreements, solve_int8_variant
from ml.models.training_manifest import read_training_manifest
from ml.policy.schema import Policy
from ml.storage import model_versions, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()


def calibrate(
    run_id: str, training_key: str, *, settings: Settings, connections: Connections
) -> str:
    """Calibrate the trained network and register it as the run's candidate; returns its hash.

    Raises:
        RunNotStarted: there is no such run, or it has no snapshot.
        TrainingError: there are no photos to calibrate on.
        ObjectNotFound: a photo of the snapshot, or the champion, is missing.
    """
    engine, store = connections.engine, connections.models
    run, snapshot_hash = in_transaction(
        engine, lambda c: retrain_runs.load_with_snapshot(c, run_id)
    )
    artifact = load_artifact(store, training_key)
    evaluation = evaluate_held_out(artifact, run.policy)
    if run.champion_hash and find_bound_state(evaluation.thresholds.model_dump()) == "not_met":
        evaluation = _keep_review_share(
            evaluation, run.champion_hash, artifact, run, settings=settings, connections=connections
        )
    with scratch_folder(settings.data_dir, "candidate-") as folder:
        card = write_version(artifact, evaluation, folder, snapshot_hash=snapshot_hash)
        model_hash = register(folder, engine=engine, store=store)

    def write_rows(connection: Connection) -> None:
        model_versions.set_values(connection, model_hash, snapshot_hash=snapshot_hash)
        retrain_runs.write_epochs(connection, run_id, artifact.history)
        retrain_runs.set_values(connection, run_id, candidate_hash=model_hash)

    in_transaction(engine, write_rows)
    log.info(
        "candidate calibrated",
        run_id=run_id,
        model_hash=model_hash,
        temperature=round(card.calibration.temperature, 3),
        pass_confidence=card.thresholds.pass_confidence,
        threshold=card.thresholds.source,
    )
    return model_hash


def write_version(
    artifact: TrainingArtifact,
    evaluation: pipeline.Evaluation,
    folder: Path,
    *,
    snapshot_hash: str,
) -> ModelCard:
    """Write the whole version into `folder`; the card comes last."""
    save_out_of_fold(OutOfFold(artifact.held_out_hashes, evaluation.probabilities), folder)
    pixels, others = artifact.probe_pixels, artifact.others
    write_probe(folder, pixels, artifact.logits(pixels), others.int8_probe)
    held_out, around = _held_out_labels(artifact, evaluation), artifact.around
    return pipeline.package_version(
        artifact,
        evaluation,
        folder,
        snapshot_hash=snapshot_hash,
        agreements=count_agreements(others, evaluation),
        int8=solve_int8_variant(
            others,
            evaluation,
            folder,
            weights=artifact.held_out_weights,
            groups=artifact.held_out_groups,
        ),
        memory=None
        if around is None
        else choose_memory_rule(
            held_out, around, pass_confidence=evaluation.thresholds.pass_confidence
        ),
        # Similarities of a trained network are others than those of the network it started from.
        min_similarity=None
        if around is None or artifact.history
        else find_min_similarity(around, artifact.held_out_weights),
    )


def _held_out_labels(artifact: TrainingArtifact, evaluation: pipeline.Evaluation) -> HeldOutLabels:
    return hold_out(
        evaluation.probabilities[:, evaluation.violations].sum(axis=1),
        np.isin(evaluation.labels, evaluation.violations),
        artifact.held_out_weights,
        artifact.held_out_groups,
    )


def evaluate_held_out(artifact: TrainingArtifact, policy: Policy) -> pipeline.Evaluation:
    """Calibrate, and solve the threshold, on the out-of-fold logits.

    Raises:
        TrainingError: there are no photos to calibrate on.
    """
    labels, logits = artifact.held_out_labels, artifact.held_out_logits.astype(np.float64)
    if not len(labels):
        raise TrainingError(
            "every photo of the snapshot was trained on by the champion, so that no threshold can "
            "be solved: label more photos, and retrain again"
        )
    calibration = pipeline.calibrate(logits, labels)
    probabilities = apply_temperature(logits, calibration.temperature)
    evaluation = pipeline.Evaluation(
        probabilities,
        labels,
        split="out_of_fold",
        calibration=calibration,
        thresholds=Thresholds(pass_confidence=policy.pass_confidence, source="policy default"),
        classes=artifact.classes,
        policy=policy,
    )
    bound = policy.retraining.leak_bound
    thresholds = solve_threshold(
        _held_out_labels(artifact, evaluation),
        rate=bound.rate,
        confidence=bound.confidence,
        default=policy.pass_confidence,
    )
    return replace(evaluation, thresholds=thresholds)


def _keep_review_share(
    evaluation: pipeline.Evaluation,
    champion_hash: str,
    artifact: TrainingArtifact,
    run: RetrainRun,
    *,
    settings: Settings,
    connections: Connections,
) -> pipeline.Evaluation:
    """Measured on photos that the champion has not learnt from; without some, nothing changes."""
    row_of = _find_unseen(artifact, champion_hash, connections)
    predictor = load_predictor(champion_hash, settings=settings, connections=connections)
    scored = score_photos(
        spread_evenly(list(row_of)), [predictor],
        classes=list(run.policy.classes), settings=settings, connections=connections,
    )  # fmt: skip
    if len(scored.hashes) < MIN_PHOTOS:
        return evaluation
    rows = np.array([row_of[content] for content in scored.hashes])
    weights = artifact.held_out_weights[rows]
    passed = model_scores(scored, 0, predictor.card).passed(run.policy)
    thresholds = keep_review_share(
        evaluation.thresholds,
        evaluation.probabilities[rows][:, evaluation.violations].sum(axis=1),
        weights,
        share=float(weights[~passed].sum() / weights.sum()),
    )
    return replace(evaluation, thresholds=thresholds)


def _find_unseen(
    artifact: TrainingArtifact, champion_hash: str, connections: Connections
) -> dict[str, int]:
    """Rows by content of the groups without a photo that the champion's lineage was trained on."""
    versions = in_transaction(connections.engine, lambda c: lineage(c, champion_hash))
    store = connections.models
    seen = frozenset[str]().union(*(read_training_manifest(store, v) for v in versions))
    groups, hashes = artifact.held_out_groups.tolist(), artifact.held_out_hashes
    learnt = {group for group, content in zip(groups, hashes, strict=True) if content in seen}
    return {h: row for row, h in enumerate(hashes) if groups[row] not in learnt}
