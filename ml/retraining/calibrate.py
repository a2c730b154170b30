"""The trained network becomes a version: temperature, cut-off, metrics, plots, card, registration.

The temperature is fitted on the validation photos, the cut-off solved on the calibration photos,
which nothing else was fitted on. All of it follows from the stored logits alone, so that a retry
makes the same card, and with it the same version.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch
from sqlalchemy import Connection, update

from ml.connections import Connections
from ml.errors import RunNotBegun, TrainingError
from ml.evaluation.calibration import calibrated, fit_temperature
from ml.evaluation.cut_offs import solve_cut_off
from ml.evaluation.metrics import evaluate
from ml.evaluation.plots import plot_all
from ml.images.preprocess import normalise
from ml.model.card import Calibration, CutOffs, ModelCard
from ml.model.checkpoint import save_card, save_weights
from ml.model.probe import write_probe
from ml.model.registry import register
from ml.model.resnet18 import build
from ml.model.training_photos import write_training_photos
from ml.policy.policy import Policy
from ml.retraining.trained import Trained, load_trained
from ml.settings import Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.schema import model_version
from ml.training.progress import EpochResult

log = structlog.get_logger()

METRICS, PLOTS = "metrics.json", "plots"
_CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")


@dataclass(frozen=True)
class _Calibrated:
    """What the held-out photos say; `probabilities` (N, C) and `labels` (N,) of calibration."""

    temperature: float
    probabilities: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    cut_offs: CutOffs
    report: dict[str, Any]


def calibrate(
    run_id: str, training_key: str, *, settings: Settings, connections: Connections
) -> str:
    """Calibrate what was trained and register it as the run's candidate; returns its model hash.

    Raises:
        RunNotBegun: the run or its snapshot is not there.
        TrainingError: the snapshot has no photos to calibrate on.
    """
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    if run.snapshot_hash is None:
        raise RunNotBegun(f"retraining run {run_id!r} has no snapshot: its `freeze` did not finish")
    snapshot_hash = run.snapshot_hash
    trained = load_trained(connections.models, training_key)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="candidate-", dir=settings.data_dir) as folder:
        card = write_version(trained, Path(folder), policy=run.policy, snapshot_hash=snapshot_hash)
        model_hash = register(Path(folder), engine=connections.engine, store=connections.models)
    in_transaction(
        connections.engine,
        lambda c: _write_rows(c, run_id, snapshot_hash, model_hash, trained.history),
    )
    log.info(
        "candidate calibrated",
        run_id=run_id,
        model_hash=model_hash,
        temperature=round(card.calibration.temperature, 3),
        pass_confidence=card.cut_offs.pass_confidence,
        cut_off=card.cut_offs.source,
    )
    return model_hash


def write_version(
    trained: Trained, folder: Path, *, policy: Policy, snapshot_hash: str
) -> ModelCard:
    """Write the whole version into `folder`; the card comes last.

    Raises:
        TrainingError: there are no calibration photos.
    """
    held_out = _calibrate(trained, policy)
    card = ModelCard(
        weights_sha256=save_weights(trained.state, folder),
        classes=trained.classes,
        preprocessing=trained.preprocessing,
        calibration=Calibration(
            temperature=held_out.temperature, fitted_on=len(trained.validation_labels)
        ),
        cut_offs=held_out.cut_offs,
        start_weights=trained.start_weights,
        preset=trained.preset,
        data_hash=trained.data_hash,
        training_images=trained.training_images,
        validation_images=trained.validation_images,
        metrics=held_out.report,
        libraries=trained.libraries,
        seed=trained.seed,
        snapshot_hash=snapshot_hash,
    )
    _write_results(held_out, trained, folder)
    write_training_photos(folder, train=trained.train_hashes, validation=trained.validation_hashes)
    write_probe(folder, trained.probe_pixels, _probe_logits(trained))
    save_card(card, folder)
    return card


def _calibrate(trained: Trained, policy: Policy) -> _Calibrated:
    if not len(trained.calibration_labels):
        raise TrainingError(
            "the snapshot has no calibration photos to solve the cut-off on; label more photos, or "
            "raise retraining.calibration_share in the policy file, and run the month again"
        )
    labels = trained.calibration_labels.astype(np.int64)
    temperature = fit_temperature(
        trained.validation_logits.astype(np.float64), trained.validation_labels.astype(np.int64)
    )
    probabilities = calibrated(trained.calibration_logits.astype(np.float64), temperature)
    violations = [c for c, name in enumerate(trained.classes) if name in policy.violations]
    bound = policy.retraining.leak_bound
    cut_offs = solve_cut_off(
        probabilities[:, violations].sum(axis=1),
        np.isin(labels, violations),
        trained.calibration_weights.astype(np.float64),
        rate=bound.rate,
        confidence=bound.confidence,
        default=policy.pass_confidence,
    )
    report = evaluate(
        probabilities,
        labels,
        classes=trained.classes,
        policy=policy,
        pass_confidence=cut_offs.pass_confidence,
    )
    return _Calibrated(temperature, probabilities, labels, cut_offs, report)


def _write_results(held_out: _Calibrated, trained: Trained, folder: Path) -> None:
    epochs = [asdict(epoch) for epoch in trained.history]
    text = json.dumps({"calibration": held_out.report, "epochs": epochs}, indent=1, allow_nan=False)
    (folder / METRICS).write_text(text, encoding="utf-8")
    plot_all(
        held_out.probabilities,
        held_out.labels,
        classes=trained.classes,
        curves={name: [getattr(epoch, name) for epoch in trained.history] for name in _CURVES},
        folder=folder / PLOTS,
    )


def _probe_logits(trained: Trained) -> torch.Tensor:
    """By the plain network: the predictor, which the probe is to check, takes no part."""
    network = build(len(trained.classes))
    network.load_state_dict(trained.state)
    network.eval()
    with torch.inference_mode():
        logits: torch.Tensor = network(normalise(trained.probe_pixels, trained.preprocessing))
    return logits


def _write_rows(
    connection: Connection,
    run_id: str,
    snapshot_hash: str,
    model_hash: str,
    history: Sequence[EpochResult],
) -> None:
    version = update(model_version).where(model_version.c.model_hash == model_hash)
    connection.execute(version.values(snapshot_hash=snapshot_hash))
    retrain_runs.write_epochs(connection, run_id, history)
    retrain_runs.set_values(connection, run_id, candidate_hash=model_hash)
