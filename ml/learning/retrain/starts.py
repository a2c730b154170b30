"""What a run's training may start from, and which of it describes the shop's photos best.

A head is fitted to the frozen features of each: seconds, against minutes for all layers. The one
with the lowest loss on held-out photos goes on. The gates then compare the result with the champion
on photos that neither has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from ml.core.errors import RunNotStarted
from ml.core.files import write_file
from ml.core.settings import Settings
from ml.core.types import ArchitectureName
from ml.models.bundled_weights import read_bundled_card
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import file_sha256
from ml.models.evaluation.calibration import calibrated_loss
from ml.models.pretrained_weights import BUNDLED_ARCHITECTURE
from ml.models.training.cross_fit_job import CrossFitJob, InitialNetwork
from ml.models.training.preset import Preset
from ml.policy.schema import Policy
from ml.storage import pretrained_weights
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_card
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

MIN_COMPARED = 20  # photos of each side, violations or others; fewer say little about a start


@dataclass(frozen=True)
class Start:
    """The champion, or pretrained weights as in the setting; `identity` names its content."""

    pretrained_weights: str
    champion_hash: str | None
    identity: str


def list_starts(
    run: RetrainRun,
    preset: Preset,
    folder: Path,
    *,
    settings: Settings,
    connections: Connections,
) -> list[Start]:
    """Pretrained weights, those that an earlier run distilled, and the champion.

    The champion counts if the preset says so and it is of the architecture to train. Distilled
    weights are fetched to `folder`.

    Raises:
        RunNotStarted, ObjectNotFound, ModelHashMismatch: as `fetch_weights`.
    """
    architecture, weights = settings.architecture, settings.pretrained_weights
    starts = [Start(weights, None, _identify_weights(weights, architecture))]
    if run.weights_sha256 is not None and architecture == BUNDLED_ARCHITECTURE:
        path = fetch_weights(run.weights_sha256, folder, connections=connections)
        starts.append(Start(str(path), None, run.weights_sha256))
    champion = run.champion_hash
    if champion is not None and preset.start == "champion":
        card = in_transaction(connections.engine, lambda c: load_card(c, champion))
        if card is not None and card["architecture"] == architecture:
            starts.append(Start(weights, champion, champion))
    return starts


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


@dataclass(frozen=True)
class Measured:
    """A start with its network, and the measures of its head on held-out photos."""

    origin: PretrainedWeights
    initial: InitialNetwork
    job: CrossFitJob

    def find_violations(self, policy: Policy) -> list[int]:
        """Indices of the classes that are violations."""
        classes = self.job.dataset.classes
        return [c for c, name in enumerate(classes) if name in policy.violations]

    def count_rarer_side(self, policy: Policy) -> int:
        """Photos that it was not trained on: violations or others, the fewer of both."""
        targets = self.job.targets[self.job.comparable]
        violations = int(np.isin(targets, self.find_violations(policy)).sum())
        return min(violations, len(targets) - violations)


def choose_start(measured: Sequence[Measured], policy: Policy) -> Measured:
    """The start whose head has the lowest log loss on the photos that no start was trained on.

    Where these are too few, the champion does not count: its features fit the other photos too
    well. The first of equals is taken. Without heads to compare, the champion is, if there are
    photos of both sides to fit its temperature and threshold on.
    """
    heads = all(each.initial.head is not None for each in measured)
    needed = MIN_COMPARED if heads else 1
    others = [each for each in measured if each.origin.kind != "champion"]
    if others and any(each.count_rarer_side(policy) < needed for each in measured):
        measured = others
    if not heads:
        champion = [each for each in measured if each.origin.kind == "champion"]
        fitted = [each for each in measured if each.initial.head is not None]
        return [*champion, *fitted, *measured][0]
    unseen = np.logical_and.reduce([each.job.comparable for each in measured])
    targets = measured[0].job.targets
    losses = [
        calibrated_loss(each.initial.head.logits[unseen], targets[unseen])
        for each in measured
        if each.initial.head is not None
    ]
    return measured[int(np.argmin(losses))]


def describe(
    each: Measured, logits: "np.ndarray[Any, Any]", epochs: int, policy: Policy
) -> dict[str, Any]:
    """Measures of out-of-fold logits (N, C), for the report; `area` is that under the ROC curve.

    There are violations and other photos that the start was not trained on.
    """
    rows, targets = each.job.comparable, each.job.targets
    probabilities, labels = softmax(logits[rows], axis=1), targets[rows]
    violations = each.find_violations(policy)
    return {
        "kind": each.origin.kind,
        "detail": each.origin.detail,
        "epochs": epochs,
        "photos": int(rows.sum()),
        "log_loss": calibrated_loss(logits[rows], labels),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        "area": float(
            roc_auc_score(np.isin(labels, violations), probabilities[:, violations].sum(axis=1))
        ),
    }
