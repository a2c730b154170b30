"""The page of a version that was trained on a folder: threshold, curve, most wrong photos."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ml.core.errors import ImageRejected
from ml.learning.report.page import data_uri, load_template, thumbnail
from ml.learning.report.tables import BOUND_STATES
from ml.models.bound_state import find_bound_state
from ml.models.evaluation.figures import to_png
from ml.models.evaluation.leak_curve import (
    count_needed_labels,
    leak_curve,
    leaks_everywhere,
    measure,
)
from ml.models.evaluation.trade_off_plots import draw_leak_curve
from ml.models.training.pipeline import PLOTS
from ml.models.training.train import TrainedVersion
from ml.policy.schema import Policy
from ml.vision.images.open_photo import DecodeLimits

FILE = "training.html"
MAX_WRONG = 24


def write_training_page(
    version: TrainedVersion, folder: Path, *, policy: Policy, limits: DecodeLimits
) -> Path:
    """Write `training.html` into the version's folder, which has its plots."""
    thresholds, bound = version.card.thresholds, policy.retraining.leak_bound
    points, used = leak_curve(version.labels), measure(version.labels, thresholds.pass_confidence)
    curve = draw_leak_curve(points, used=used, rate=bound.rate)
    page = load_template("training.html.j2").render(
        card=version.card,
        state=find_bound_state(thresholds.model_dump()),
        bound_states=BOUND_STATES,
        bound=bound,
        at=thresholds.pass_confidence,
        now=used,
        points=points,
        needed=count_needed_labels(version.labels, rate=bound.rate, confidence=bound.confidence),
        exceeded=leaks_everywhere(version.labels, rate=bound.rate),
        violation_share=version.violation_share,
        is_assumed=version.is_share_assumed,
        curve=data_uri(to_png(curve), "image/png"),
        wrong=list(_find_wrong(version, limits)),
        plots=[
            (path.stem, data_uri(path.read_bytes(), "image/png"))
            for path in sorted((folder / PLOTS).glob("*.png"))
        ],
    )
    path = folder / FILE
    path.write_text(page, encoding="utf-8")
    return path


def _find_wrong(version: TrainedVersion, limits: DecodeLimits) -> Iterator[dict[str, Any]]:
    """The photos whose violation score is farthest from their label, wrong ones only."""
    scores, truth = version.labels.violation_scores, version.labels.is_violation
    error = np.where(truth, 1.0 - scores, scores)
    for row in np.argsort(-error, kind="stable")[:MAX_WRONG].tolist():
        if error[row] <= 0.5:  # noqa: PLR2004 - the more likely side is the labelled one
            return
        photo = version.photos[row]
        yield {
            "label": photo.label,
            "name": photo.name,
            "score": float(scores[row]),
            "picture": _show(photo.path, limits),
        }


def _show(path: Path, limits: DecodeLimits) -> str | None:
    try:
        return data_uri(thumbnail(path.read_bytes(), limits), "image/jpeg")
    except (ImageRejected, OSError):  # deleted or replaced since it was trained on
        return None


def describe(version: TrainedVersion, policy: Policy) -> list[str]:
    """The threshold, what it costs and lets through, and what its proof lacks: a line each."""
    thresholds, rate = version.card.thresholds, policy.retraining.leak_bound.rate
    used = measure(version.labels, thresholds.pass_confidence)
    interval = f"{used.low:.1%} to {used.high:.1%}"
    leaks = f"{used.leak_rate:.1%} of the others are violations ({interval})"
    return [
        f"threshold {thresholds.pass_confidence:.2f}: {thresholds.source}",
        f"{used.review_share:.1%} of the photos do not pass, {leaks}",
        f"leak bound of {rate:.1%}: {_describe_bound(version, policy)}",
    ]


def _describe_bound(version: TrainedVersion, policy: Policy) -> str:
    state = find_bound_state(version.card.thresholds.model_dump())
    bound = policy.retraining.leak_bound
    needed = count_needed_labels(version.labels, rate=bound.rate, confidence=bound.confidence)
    if state == "met":
        return "bound met"
    name = BOUND_STATES[state].en.lower()
    if needed is not None:
        return f"{name}; about {needed:,} labels like these would prove it"
    if leaks_everywhere(version.labels, rate=bound.rate):
        return f"{name}; these labels exceed it at every threshold"
    return f"{name}; these labels are too few to say how many would prove it"
