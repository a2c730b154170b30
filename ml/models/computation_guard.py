"""The guard of computations: another one than torch float32 must give the same verdicts.

It runs on the machine that starts a run, on the version's probe, and counts what training found on
held-out photos. The int8 variant has scores and thresholds of its own, and is compared with
what it computed on the machine that made it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml.core.computation import Computation, NumberType
from ml.models.card import Calibration, ModelCard, Thresholds
from ml.models.predictor import Predictor, apply_temperature, solved_for
from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide

# Of the verdicts, that another computation of the same version may change.
MAX_CHANGED_SHARE = 0.005
# Largest difference of a logit that rounding explains, as a share of the largest logit (or of 1).
# Another network, channel order or normalization changes logits by more.
MAX_ROUNDING: dict[NumberType, float] = {"float32": 1e-3, "bfloat16": 0.1, "int8": 0.1}

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GuardPhotos:
    """Prepared photos, each uint8 (3, crop, crop), at least one.

    `int8_logits` are the int8 variant's on the machine that made it; None: there is no variant.
    """

    pixels: Sequence[npt.NDArray[np.uint8]]
    int8_logits: Logits | None = None


@dataclass(frozen=True)
class Guard:
    """Compares computations of a version on prepared photos, by the `reference` on this machine."""

    policy: Policy
    photos: GuardPhotos
    reference: Predictor

    def find_objection(self, predictor: Predictor) -> str | None:
        """Why a computation must not take the reference's place; None: it may."""
        card, computation = self.reference.card, predictor.computation
        expected = self.photos.int8_logits
        if computation.number_type != "int8":
            expected = self.reference.logits(self.photos.pixels)
        if expected is None:
            return "the version has no logits to compare with"
        found = predictor.logits(self.photos.pixels)
        max_rounding = MAX_ROUNDING[computation.number_type]
        if problem := find_difference(found, expected, max_rounding=max_rounding):
            return problem
        solved = solved_for(card, computation)
        changed = count_changed(found, expected, solved, card.classes, self.policy)
        if changed > MAX_CHANGED_SHARE * len(found):
            return f"{changed} of {len(found)} verdicts on the probe differ"
        return _find_held_out_problem(card, computation)


def find_difference(found: Logits, expected: Logits, *, max_rounding: float) -> str | None:
    """Describe logits that differ by more than rounding; None where they do not."""
    difference = float(np.abs(found - expected).max())
    allowed = max_rounding * max(1.0, float(np.abs(expected).max()))
    if difference <= allowed:  # false for NaN
        return None
    return f"logits on the probe differ by {difference:.2g}, rounding explains {allowed:.2g}"


class Solved(Protocol):
    """A card or a variant: temperature and threshold."""

    @property
    def calibration(self) -> Calibration: ...  # noqa: D102 - as in `ModelCard`

    @property
    def thresholds(self) -> Thresholds: ...  # noqa: D102 - as above


def count_changed(
    found: Logits, expected: Logits, solved: Solved, classes: Sequence[str], policy: Policy
) -> int:
    """Photos with another decision by the logits `found` than by those `expected`, each (N, C)."""
    before, after = (_decide(logits, solved, classes, policy) for logits in (expected, found))
    return sum(a is not b for a, b in zip(before, after, strict=True))


def _decide(
    logits: Logits, solved: Solved, classes: Sequence[str], policy: Policy
) -> list[Decision]:
    threshold = solved.thresholds.pass_confidence
    rows = apply_temperature(logits, solved.calibration.temperature).tolist()
    scores = [dict(zip(classes, row, strict=True)) for row in rows]
    return [decide(s, pass_confidence=threshold, policy=policy).decision for s in scores]


def _find_held_out_problem(card: ModelCard, computation: Computation) -> str | None:
    """What training found on held-out photos, if it compared this computation."""
    for agreement in card.agreements:
        same = agreement.computation == str(computation)
        if same and agreement.changed > MAX_CHANGED_SHARE * agreement.photos:
            return f"{agreement.changed} of {agreement.photos} verdicts on held-out photos differ"
    return None
