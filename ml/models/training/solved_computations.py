"""Solve what the card says of other computations: verdicts that differ, and the int8 variant."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import structlog

from ml.models.bound_state import find_bound_state
from ml.models.card import Agreement, Int8Variant, RefusedInt8, Thresholds
from ml.models.checkpoint import save_int8
from ml.models.computation_guard import count_changed
from ml.models.evaluation.calibration import keep_review_share, solve_threshold
from ml.models.evaluation.held_out_labels import hold_out, review_share
from ml.models.evaluation.metrics import Bools, Floats, Ints
from ml.models.evaluation.variant_comparison import compare_variant
from ml.models.predictor import apply_temperature
from ml.models.training.other_computations import OtherComputations
from ml.models.training.pipeline import Evaluation, calibrate

log = structlog.get_logger()


def count_agreements(others: OtherComputations, evaluation: Evaluation) -> tuple[Agreement, ...]:
    """The verdicts that each computation of the version's own weights changes."""
    return tuple(
        Agreement(
            computation=name,
            photos=len(found),
            changed=count_changed(
                found, expected, evaluation, evaluation.classes, evaluation.policy
            ),
        )
        for name, (found, expected) in sorted(others.compared.items())
    )


def solve_int8_variant(
    others: OtherComputations,
    evaluation: Evaluation,
    folder: Path,
    *,
    weights: Floats,
    groups: Ints,
) -> Int8Variant | RefusedInt8 | None:
    """Solve the int8 variant's temperature and threshold, and write its files if it is allowed.

    `evaluation` is on all photos whose out-of-fold logits are known; `weights` and `groups` (N,)
    are those that its threshold was solved with. Returns None where no variant was made.
    """
    if others.int8 is None or others.int8_logits is None or others.int8_rows is None:
        return None
    evaluation = evaluation.subset(others.int8_rows)
    weights, groups = weights[others.int8_rows], groups[others.int8_rows]
    logits = others.int8_logits.astype(np.float64)
    calibration = calibrate(logits, evaluation.labels)
    scores = _violation_scores(apply_temperature(logits, calibration.temperature), evaluation)
    thresholds = _solve_threshold(scores, evaluation, weights, groups)
    objection, figures = _compare(evaluation, scores, thresholds)
    if objection or thresholds is None:
        refused = RefusedInt8(reason=objection or "threshold", comparison=figures)
        log.info("int8 variant refused", reason=refused.reason, **figures)
        return refused
    log.info("int8 variant allowed", **figures)
    graph_sha256, weights_sha256 = save_int8(others.int8, folder)
    return Int8Variant(
        graph_sha256=graph_sha256,
        weights_sha256=weights_sha256,
        calibration=calibration,
        thresholds=thresholds,
        calibration_photos=others.calibration_photos,
        comparison=figures,
        libraries={name: version(name) for name in ("openvino", "nncf")},
    )


def _compare(
    version: Evaluation, scores: Floats, thresholds: Thresholds | None
) -> tuple[str | None, dict[str, float]]:
    """Why the variant's scores are too much worse, or None; and the figures."""
    comparison = compare_variant(
        _violation_scores(version.probabilities, version),
        scores,
        _is_violation(version),
        pass_confidence=version.thresholds.pass_confidence,
        variant_pass_confidence=None if thresholds is None else thresholds.pass_confidence,
    )
    margins = version.policy.retraining.int8
    return comparison.find_objection(margins), comparison.as_dict() | margins.model_dump()


def _solve_threshold(
    scores: Floats, evaluation: Evaluation, weights: Floats, groups: Ints
) -> Thresholds | None:
    """The variant's threshold; None if the version's was solved and the variant's cannot be.

    Where the version's bound is not met, the variant reviews no less than the version.
    """
    policy = evaluation.policy
    bound = policy.retraining.leak_bound
    solved = solve_threshold(
        hold_out(scores, _is_violation(evaluation), weights, groups),
        rate=bound.rate,
        confidence=bound.confidence,
        default=policy.pass_confidence,
    )
    if find_bound_state(evaluation.thresholds.model_dump()) == "not_met":
        found = _violation_scores(evaluation.probabilities, evaluation)
        share = review_share(found, weights, evaluation.thresholds.pass_confidence)
        return keep_review_share(solved, scores, weights, share=share)
    lost = evaluation.thresholds.evidence is not None and solved.evidence is None
    return None if lost else solved


def _violation_scores(probabilities: Floats, evaluation: Evaluation) -> Floats:
    scores: Floats = probabilities[:, evaluation.violations].sum(axis=1)
    return scores


def _is_violation(evaluation: Evaluation) -> Bools:
    return np.isin(evaluation.labels, evaluation.violations)
