"""Two trainings of a run, from the usual start and from newly distilled weights: the better one.

Both are measured on the validation photos of the snapshot, each at its own temperature. The gates
then compare the better one with the champion on photos that neither has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from ml.core.errors import RunNotStarted
from ml.core.files import write_file
from ml.core.settings import Settings
from ml.core.types import ArchitectureName
from ml.learning.retrain.training_artifact import TrainingArtifact, load_artifact
from ml.models.bundled_weights import read_bundled_card
from ml.models.checkpoint import file_sha256
from ml.models.predictor import apply_temperature
from ml.models.pretrained_weights import BUNDLED_ARCHITECTURE
from ml.models.training import pipeline
from ml.models.training.preset import Preset, load_preset
from ml.policy.retraining import Distillation
from ml.policy.schema import Policy
from ml.storage import pretrained_weights, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_card
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    That is the champion, if there is one and it is of the architecture to train, else
    `pretrained_weights`, as in the setting. `identity` names what is used, by content where known.
    """

    preset: Preset
    pretrained_weights: str
    champion_hash: str | None
    identity: str


def list_starts(
    run: RetrainRun, folder: Path, *, settings: Settings, connections: Connections
) -> list[Start]:
    """The run's usual start; and the weights that an earlier run distilled, fetched to `folder`.

    Raises:
        RunNotStarted, ObjectNotFound, ModelHashMismatch: as `fetch_weights`.
    """
    preset = load_preset(run.preset)
    starts = [_create_start(run, preset, settings.pretrained_weights, settings, connections)]
    if run.weights_sha256 is not None and settings.architecture == BUNDLED_ARCHITECTURE:
        weights = fetch_weights(run.weights_sha256, folder, connections=connections)
        second = second_preset(preset, run.policy.retraining.distillation)
        starts.append(_create_start(run, second, str(weights), settings, connections))
    return starts


def _create_start(
    run: RetrainRun, preset: Preset, weights: str, settings: Settings, connections: Connections
) -> Start:
    champion_hash = run.champion_hash if preset.start == "champion" else None
    identity = _identify_weights(weights, settings.architecture)
    if champion_hash is not None:
        card = in_transaction(connections.engine, lambda c: load_card(c, champion_hash))
        if card is not None and card["architecture"] == settings.architecture:
            identity = champion_hash
    return Start(preset, weights, champion_hash, identity)


def _identify_weights(setting: str, architecture: ArchitectureName) -> str:
    """The pretrained weights, by content if they are a file: `auto` may use the bundled one."""
    known = file_sha256(Path(setting)) if Path(setting).is_file() else setting
    if architecture != BUNDLED_ARCHITECTURE:
        return f"{architecture} {known}"
    return f"{setting} {read_bundled_card().sha256}" if setting in {"auto", "bundled"} else known


def fetch_weights(weights_sha256: str, folder: Path, *, connections: Connections) -> Path:
    """The file of registered pretrained weights, in `folder`.

    Raises:
        RunNotStarted: no run registered them.
        ObjectNotFound, ModelHashMismatch: the file in the bucket is missing, or has other bytes.
    """
    weights = in_transaction(
        connections.engine, lambda c: pretrained_weights.load(c, weights_sha256)
    )
    if weights is None:
        raise RunNotStarted(f"no retraining run registered the weights {weights_sha256}")
    path = folder / f"{weights_sha256}.safetensors"
    write_file(path, connections.models.get_hashed(weights.object_key, weights_sha256))
    return path


def second_preset(preset: Preset, distillation: Distillation) -> Preset:
    """The preset of the training from new weights: the run's own unless that needs the champion."""
    return preset if preset.start == "pretrained_weights" else load_preset(distillation.preset)


def choose_start(run_id: str, training_keys: Sequence[str], *, connections: Connections) -> str:
    """The key of the training with the lowest log loss; the first of equals.

    The comparison is written to the run's row, for the report.
    """
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    starts = [
        _measure(key, load_artifact(connections.models, key), run.policy) for key in training_keys
    ]
    best = min(starts, key=lambda start: float(start["log_loss"]))
    for start in starts:
        start["chosen"] = start is best
        log.info("training compared", **start)
    in_transaction(connections.engine, lambda c: retrain_runs.set_values(c, run_id, starts=starts))
    return str(best["training_key"])


def _measure(key: str, artifact: TrainingArtifact, policy: Policy) -> dict[str, Any]:
    """Measures on the validation photos; the area is that of the violation score under its ROC."""
    labels = artifact.validation_labels
    logits = artifact.validation_logits.astype(np.float64)
    temperature = pipeline.calibrate(logits, labels).temperature
    probabilities = apply_temperature(logits, temperature)
    violations = [c for c, name in enumerate(artifact.classes) if name in policy.violations]
    score = probabilities[:, violations].sum(axis=1)
    classes = np.arange(len(artifact.classes))
    return {
        "training_key": key,
        "kind": artifact.pretrained_weights.kind,
        "detail": artifact.pretrained_weights.detail,
        "preset": artifact.preset,
        "photos": len(labels),
        "log_loss": float(log_loss(labels, probabilities, labels=classes)),
        "accuracy": float(accuracy_score(labels, probabilities.argmax(axis=1))),
        "area": float(roc_auc_score(np.isin(labels, violations), score)),
    }
