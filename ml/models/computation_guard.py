"""The guard of computations: another one than torch float32 must give the same verdicts.

It runs on the machine that starts a run, on the version's probe, and counts what training found on
the validation photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.core.computation import Computation, NumberType
from ml.models.card import ModelCard
from ml.models.predictor import Predictor, apply_temperature
from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide

# Of the verdicts, that another computation of the same version may change.
MAX_CHANGED_SHARE = 0.005
# Largest difference of a logit that rounding explains, as a share of the largest logit (or of 1).
# Another network, channel order or normalization changes logits by more.
MAX_ROUNDING: dict[NumberType, float] = {"float32": 1e-3, "bfloat16": 0.1}

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Guard:
    """Compares computations of a version on prepared photos whose logits are known.

    `expected` are the reference's logits (N, C) of `pixels`.
    """

    card: ModelCard
    policy: Policy
    pixels: Sequence[npt.NDArray[np.uint8]]
    expected: Logits

    def find_objection(self, predictor: Predictor) -> str | None:
        """Why a computation must not take the reference's place; None: it may."""
        computation, found = predictor.computation, predictor.logits(self.pixels)
        max_rounding = MAX_ROUNDING[computation.number_type]
        if problem := find_difference(found, self.expected, max_rounding=max_rounding):
            return problem
        changed = count_changed(found, self.expected, self.card, self.policy)
        if changed > MAX_CHANGED_SHARE * len(found):
            return f"{changed} of {len(found)} verdicts on the probe differ"
        return _find_validation_problem(self.card, computation)


def find_difference(found: Logits, expected: Logits, *, max_rounding: float) -> str | None:
    """Describe logits that differ by more than rounding; None where they do not."""
    difference = float(np.abs(found - expected).max())
    allowed = max_rounding * max(1.0, float(np.abs(expected).max()))
    if difference <= allowed:  # false for NaN
        return None
    return f"logits on the probe differ by {difference:.2g}, rounding explains {allowed:.2g}"


def count_changed(found: Logits, expected: Logits, card: ModelCard, policy: Policy) -> int:
    """Photos with another decision by the logits `found` than by those `expected`, each (N, C)."""
    before, after = (_decide(logits, card, policy) for logits in (expected, found))
    return sum(a is not b for a, b in zip(before, after, strict=True))


def _decide(logits: Logits, card: ModelCard, policy: Policy) -> list[Decision]:
    threshold = card.thresholds.pass_confidence
    rows = apply_temperature(logits, card.calibration.temperature).tolist()
    scores = [dict(zip(card.classes, row, strict=True)) for row in rows]
    return [decide(s, pass_confidence=threshold, policy=policy).decision for s in scores]


def _find_validation_problem(card: ModelCard, computation: Computation) -> str | None:
    """What training found on the validation photos, if it compared this computation."""
    for agreement in card.agreements:
        same = agreement.computation == str(computation)
        if same and agreement.changed > MAX_CHANGED_SHARE * agreement.photos:
            return f"{agreement.changed} of {agreement.photos} verdicts on validation photos differ"
    return None
