"""Promotion gates: whether a candidate may be promoted, by its evaluation report and the policy."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from ml.core.errors import ModelError
from ml.models.bound_state import find_bound_state
from ml.models.evaluation.champion_gates import (
    NO_CHAMPION,
    Outcome,
    better,
    compare_paired,
    no_regression,
    or_clearly_better,
)
from ml.models.evaluation.model_comparison import (
    Report,
    leak_counts,
    main_set,
    mapping_at,
    number_at,
    numbers_at,
    value_at,
)
from ml.policy.schema import Policy

Check = Callable[[Report, Policy], Outcome]

_MAX_NAMED = 3  # photos that a reason names
_PHOTOS = {"golden": "golden photos", "out_of_fold": "held-out photos"}


@dataclass(frozen=True)
class Gate:
    """One condition, whether it holds, and why."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateResult:
    """The decision with its gates; `promote` if all of them passed."""

    decision: Literal["promote", "hold"]
    gates: tuple[Gate, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"decision": self.decision, "gates": [asdict(gate) for gate in self.gates]}


def gate(report: Report, policy: Policy) -> GateResult:
    """Evaluate all gates of a candidate by the report of `ml.learning.retrain.evaluate`.

    The policy alone determines the list of gates. A value that is missing from the report, or is
    not a finite number, fails its gate.
    """
    gates = tuple(_evaluate(name, check, report, policy) for name, check in _checks(policy))
    return GateResult("promote" if all(g.passed for g in gates) else "hold", gates)


def _checks(policy: Policy) -> list[tuple[str, Check]]:
    min_recalls = policy.retraining.gates.recall_floor
    return [
        ("doubted_labels", _label_issues),
        *((f"recall_floor:{name}", partial(_recall_floor, name)) for name in min_recalls),
        ("no_regression:accuracy", partial(no_regression, "accuracy")),
        *((f"no_regression:{n}", partial(no_regression, f"recall.{n}")) for n in policy.classes),
        ("no_regression:leak", partial(no_regression, "leak")),
        ("calibration_error", _calibration_error),
        ("leak_bound", _leak_bound),
        ("blocklist", _blocklist),
        ("servable", _loads_in_production),
        ("latency", _latency),
        ("better", better),
    ]


def _evaluate(name: str, check: Check, report: Report, policy: Policy) -> Gate:
    try:
        return Gate(name, *check(report, policy))
    except ModelError as error:
        return Gate(name, passed=False, reason=str(error))


def _label_issues(report: Report, policy: Policy) -> Outcome:
    """A high share of label issues means that the run's labels are unreliable as a whole."""
    max_share = policy.retraining.gates.label_issue_share
    shares = {}
    for name in mapping_at(report, "data.labels"):
        issues, checked = numbers_at(report, f"data.labels.{name}", "doubted", "checked")
        shares[name] = issues / checked if checked else 0.0
    listed = ", ".join(f"{share:.1%} of {name}" for name, share in shares.items()) or "no labels"
    passed = all(share <= max_share for share in shares.values())
    return passed, f"label issues: {listed}; at most {max_share:.1%} of a class is allowed"


def _recall_floor(name: str, report: Report, policy: Policy) -> Outcome:
    min_recall, compared = policy.retraining.gates.recall_floor[name], main_set(report)
    per_class = f"sets.{compared}.candidate.per_class.{name}"
    photos = number_at(report, f"{per_class}.support")
    if photos <= 0:
        return False, f"no {_PHOTOS[compared]} of {name}"
    recall = number_at(report, f"{per_class}.recall")
    reason = (
        f"recall of {name} is {recall:.1%} of {photos:,.0f} {_PHOTOS[compared]}, "
        f"at least {min_recall:.1%} is required"
    )
    return or_clearly_better(recall >= min_recall, reason, report, policy)


def _calibration_error(report: Report, policy: Policy) -> Outcome:
    max_error = policy.retraining.gates.calibration_error
    compared = main_set(report)
    photos = number_at(report, f"sets.{compared}.photos")
    if photos <= 0:
        return False, f"no {_PHOTOS[compared]}"
    error = number_at(report, f"sets.{compared}.candidate.expected_calibration_error")
    by_chance = number_at(report, f"sets.{compared}.candidate.calibration_error_by_chance")
    return error <= max(max_error, by_chance), (
        f"expected calibration error is {error:.3f} on {photos:,.0f} {_PHOTOS[compared]}, at most "
        f"{max_error:g} is allowed; by chance alone it would reach {by_chance:.3f}"
    )


def _leak_bound(report: Report, policy: Policy) -> Outcome:
    required = policy.retraining.leak_bound
    evidence = "thresholds.candidate.evidence"
    if value_at(report, evidence) is None:
        return _leak_without_evidence(report, policy)
    upper, confidence = numbers_at(report, evidence, "upper_bound", "confidence")
    passed, leaked = numbers_at(report, evidence, "passed", "leaked")
    sufficient = upper <= required.rate and confidence >= required.confidence
    return sufficient, (
        f"{leaked:,.1f} of {passed:,.1f} passed held-out labels leaked: at most {upper:.1%} with "
        f"confidence {confidence:.0%}; {required.rate:.1%} with {required.confidence:.0%} is "
        "required"
    )


def _leak_without_evidence(report: Report, policy: Policy) -> Outcome:
    """Not proven: compare with the champion, or count leaks; not met: be clearly better."""
    source = value_at(report, "thresholds.candidate.source")
    if find_bound_state(mapping_at(report, "thresholds.candidate")) != "not_proven":
        return or_clearly_better(False, f"bound not met ({source})", report, policy)
    prefix, compared = f"the bound is not proven ({source})", main_set(report)
    if value_at(report, "champion") is not None:
        passed, reason = compare_paired(report, compared, "leak", policy)
        relation = "no more" if passed else "more"
        return passed, f"{prefix}; leaks {relation} than the champion: {reason}"
    rate = policy.retraining.leak_bound.rate
    leaked, passed_photos = leak_counts(report, f"sets.{compared}.candidate")
    return leaked <= rate * passed_photos, (
        f"{prefix}; {NO_CHAMPION}: {leaked:,.0f} of {passed_photos:,.0f} passed "
        f"{_PHOTOS[compared]} leak, {rate:.1%} is allowed"
    )


def _blocklist(report: Report, _: Policy) -> Outcome:
    photos, passed = number_at(report, "blocklist.photos"), value_at(report, "blocklist.passed")
    if not isinstance(passed, list):
        raise ModelError("the report has no list at blocklist.passed")
    if not passed:
        return True, f"none of {photos:,.0f} blocklist photos would pass"
    named = ", ".join(str(photo)[:12] for photo in passed[:_MAX_NAMED])
    more = " and others" if len(passed) > _MAX_NAMED else ""
    return False, f"{len(passed):,} of {photos:,.0f} blocklist photos would pass: {named}{more}"


def _loads_in_production(report: Report, _: Policy) -> Outcome:
    detail = str(value_at(report, "servable.detail"))
    if value_at(report, "servable.ok") is not True:
        return False, f"a fresh process cannot load it: {detail}"
    difference = number_at(report, "servable.largest_difference")
    return True, f"a fresh process repeats its logits within {difference:.1e}"


def _latency(report: Report, policy: Policy) -> Outcome:
    ratio = policy.retraining.gates.latency_ratio
    candidate = number_at(report, "latency.candidate_ms")
    if value_at(report, "champion") is None:
        return True, f"{candidate:.2f} ms per photo; {NO_CHAMPION}"
    champion = number_at(report, "latency.champion_ms")
    return candidate <= ratio * champion, (
        f"{candidate:.2f} ms per photo, the champion {champion:.2f} ms; at most {ratio:g} times "
        "as long is allowed"
    )
