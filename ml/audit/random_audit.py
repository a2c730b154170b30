"""Which settled photos people see all the same, and what their answers say about the rest."""

import hashlib
from dataclasses import dataclass

import numpy as np

from ml.evaluation.cut_offs import lower_bound, upper_bound
from ml.policy.policy import Policy

CONFIDENCE = 0.95  # of the two-sided interval


@dataclass(frozen=True)
class Draw:
    """One content's numbers, evenly spread in [0, 1): the same in every retry and every night.

    `lot` says whether the photo is drawn, `place` where it queues, `guise` as which class.
    """

    lot: float
    place: float
    guise: float


def draw(key: bytes, content_sha256: str) -> Draw:
    """Keyed BLAKE2b (RFC 7693) of a content: without the key nobody can tell what is drawn."""
    digest = hashlib.blake2b(content_sha256.encode(), key=key, digest_size=24).digest()
    lot, place, guise = (int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
    return Draw(lot, place, guise)


def priority_among_reviews(drawn: Draw, policy: Policy) -> float:
    """A place in the queue that tells nothing: that of a photo with a score drawn by lot.

    The score lies where a photo for review has its own, from 1 - `pass_confidence` to 1, and the
    class is one of the violations.
    """
    weights = sorted(policy.priority_weights.values())
    lowest = 1.0 - policy.pass_confidence
    score = lowest + drawn.place * (1.0 - lowest)
    return score * weights[int(drawn.guise * len(weights))]


@dataclass(frozen=True)
class Tally:
    """Of one month, decision and class: photos asked, answered, and answered against it."""

    month: str
    decision: str
    name: str
    asked: int
    answered: int
    wrong: int


@dataclass(frozen=True)
class Rate:
    """Share of wrong ones, with the exact two-sided interval; `rate` None: no answer yet."""

    rate: float | None
    low: float
    high: float


def rate_of(tally: Tally, *, confidence: float = CONFIDENCE) -> Rate:
    """The rate with its interval (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    if not tally.answered:
        return Rate(None, 0.0, 1.0)
    one_sided = 1.0 - (1.0 - confidence) / 2
    wrong, answered = np.array([float(tally.wrong)]), np.array([float(tally.answered)])
    low = float(lower_bound(wrong, answered, one_sided)[0])
    high = float(upper_bound(wrong, answered, one_sided)[0])
    return Rate(tally.wrong / tally.answered, low, high)


def is_wrong(decision: str, label: str, policy: Policy) -> bool:
    """Whether people's label speaks against the decision: a violation passed, or none blocked."""
    return (label in policy.violations) == (decision == "pass")


def classes_against(decision: str, policy: Policy) -> list[str]:
    """The classes whose labels speak against the decision, in the policy's order."""
    return [name for name in policy.classes if is_wrong(decision, name, policy)]
