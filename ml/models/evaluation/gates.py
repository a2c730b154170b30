"""Promotion gates: whether a candidate may be promoted, by its evaluation report and the policy.

The policy alone determines the list of gates. A value that is missing from the report, or is not a
finite number, fails its gate. A drop versus the champion counts only where the paired test finds it
at the policy's significance, on the whole golden set or on its newest photos: without a test, noise
would hold every second candidate.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ml.core.errors import ModelError
from ml.models.evaluation.thresholds import TOO_FEW
from ml.policy.schema import Policy

Report = Mapping[str, Any]
Outcome = tuple[bool, str]
Check = Callable[[Report, Policy], Outcome]

_NO_CHAMPION = "no champion to compare with"
_MAX_NAMED = 3  # photos that a reason names


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
    """Evaluate all gates of a candidate.

    Args:
        report: the evaluation report that `ml.learning.retrain.evaluate` writes.
        policy: the policy of the retraining run.
    """
    gates = tuple(_evaluate(name, check, report, policy) for name, check in _checks(policy))
    passed = all(g.passed for g in gates)
    return GateResult("promote" if passed else "hold", gates)


def _checks(policy: Policy) -> Iterator[tuple[str, Check]]:
    yield "doubted_labels", _label_issues
    for name in policy.retraining.gates.recall_floor:
        yield f"recall_floor:{name}", _recall_floor(name)
    yield "no_regression:accuracy", _no_regression("accuracy")
    for name in policy.classes:
        yield f"no_regression:{name}", _no_regression("recall", name)
    yield "no_regression:leak", _no_regression("leak")
    yield "calibration_error", _calibration_error
    yield "leak_bound", _leak_bound
    yield "blocklist", _blocklist
    yield "servable", _loads_in_production
    yield "latency", _latency
    yield "better", _better


def _evaluate(name: str, check: Check, report: Report, policy: Policy) -> Gate:
    try:
        passed, reason = check(report, policy)
    except ModelError as error:
        return Gate(name, passed=False, reason=str(error))
    return Gate(name, passed=passed, reason=reason)


def _label_issues(report: Report, policy: Policy) -> Outcome:
    """A high share of label issues means that the run's labels are unreliable as a whole."""
    max_share = policy.retraining.gates.label_issue_share
    labels = _at(report, "data", "labels")
    if not isinstance(labels, Mapping):
        raise ModelError("the report has no mapping at data.labels")
    shares = {}
    for name in labels:
        issues, checked = (
            _number(report, "data", "labels", name, key) for key in ("doubted", "checked")
        )
        shares[name] = issues / checked if checked else 0.0
    listed = ", ".join(f"{share:.1%} of {name}" for name, share in shares.items()) or "no labels"
    passed = all(share <= max_share for share in shares.values())
    return passed, f"label issues: {listed}; at most {max_share:.1%} of a class is allowed"


def _recall_floor(name: str) -> Check:
    def check(report: Report, policy: Policy) -> Outcome:
        min_recall = policy.retraining.gates.recall_floor[name]
        per_class = ("sets", "golden", "candidate", "per_class", name)
        photos = _number(report, *per_class, "support")
        if photos <= 0:
            return False, f"no golden photos of {name}"
        recall = _number(report, *per_class, "recall")
        return recall >= min_recall, (
            f"recall of {name} is {recall:.1%} of {photos:,.0f} golden photos, "
            f"at least {min_recall:.1%} is required"
        )

    return check


def _no_regression(*measure: str) -> Check:
    def check(report: Report, policy: Policy) -> Outcome:
        if _champion(report) is None:
            return True, _NO_CHAMPION
        significance = policy.retraining.gates.significance
        outcomes = [_compare_paired(report, name, measure, significance) for name in _sets(report)]
        return all(passed for passed, _ in outcomes), "; ".join(reason for _, reason in outcomes)

    return check


def _compare_paired(
    report: Report, set_name: str, measure: tuple[str, ...], significance: float
) -> Outcome:
    """Passes unless the measure dropped significantly versus the champion."""
    test = ("sets", set_name, "paired", *measure)
    photos, gained, lost, difference, p_value = (
        _number(report, *test, name)
        for name in ("photos", "gained", "lost", "difference", "p_value")
    )
    if photos <= 0:
        return True, f"{set_name}: no photos to compare on"
    passed = difference >= 0.0 or p_value >= significance
    return passed, (
        f"{set_name}: {gained:,.0f} of {photos:,.0f} photos won and {lost:,.0f} lost "
        f"({difference:+.1%}, p {p_value:.3f}; a drop counts if p is below {significance:g})"
    )


def _calibration_error(report: Report, policy: Policy) -> Outcome:
    max_error = policy.retraining.gates.calibration_error
    photos = _number(report, "sets", "golden", "photos")
    if photos <= 0:
        return False, "no golden photos"
    error, by_chance = (
        _number(report, "sets", "golden", "candidate", name)
        for name in ("expected_calibration_error", "calibration_error_by_chance")
    )
    return error <= max(max_error, by_chance), (
        f"expected calibration error is {error:.3f} on {photos:,.0f} golden photos, at most "
        f"{max_error:g} is allowed; by chance alone it would reach {by_chance:.3f}"
    )


def _leak_bound(report: Report, policy: Policy) -> Outcome:
    required = policy.retraining.leak_bound
    thresholds = ("thresholds", "candidate")
    if _at(report, *thresholds, "evidence") is None:
        return _leak_without_evidence(report, policy)
    upper, confidence, passed, leaked = (
        _number(report, *thresholds, "evidence", name)
        for name in ("upper_bound", "confidence", "passed", "leaked")
    )
    sufficient = upper <= required.rate and confidence >= required.confidence
    return sufficient, (
        f"{leaked:,.1f} of {passed:,.1f} passed held-out labels leaked: at most {upper:.1%} with "
        f"confidence {confidence:.0%}; {required.rate:.1%} with {required.confidence:.0%} is "
        "required"
    )


def _leak_without_evidence(report: Report, policy: Policy) -> Outcome:
    """With too few labels for a bound, compare with the champion, or count golden photos."""
    source = str(_at(report, "thresholds", "candidate", "source"))
    if not source.startswith(TOO_FEW):
        return False, f"the threshold has no evidence ({source})"
    prefix = f"the bound is not shown ({source})"
    if _champion(report) is not None:
        significance = policy.retraining.gates.significance
        passed, reason = _compare_paired(report, "golden", ("leak",), significance)
        relation = "no more" if passed else "more"
        return passed, f"{prefix}; leaks {relation} than the champion on golden photos: {reason}"
    rate = policy.retraining.leak_bound.rate
    leaked, passed_photos = _leak_counts(report, "golden", "candidate")
    return leaked <= rate * passed_photos, (
        f"{prefix}; {_NO_CHAMPION}: {leaked:,.0f} of {passed_photos:,.0f} passed golden photos "
        f"leak, {rate:.1%} is allowed"
    )


def _blocklist(report: Report, _: Policy) -> Outcome:
    photos, passed = _number(report, "blocklist", "photos"), _at(report, "blocklist", "passed")
    if not isinstance(passed, list):
        raise ModelError("the report has no list at blocklist.passed")
    if not passed:
        return True, f"none of {photos:,.0f} blocklist photos would pass"
    named = ", ".join(str(photo)[:12] for photo in passed[:_MAX_NAMED])
    more = " and others" if len(passed) > _MAX_NAMED else ""
    return False, f"{len(passed):,} of {photos:,.0f} blocklist photos would pass: {named}{more}"


def _loads_in_production(report: Report, _: Policy) -> Outcome:
    detail = str(_at(report, "servable", "detail"))
    if _at(report, "servable", "ok") is not True:
        return False, f"a fresh process cannot load it: {detail}"
    difference = _number(report, "servable", "largest_difference")
    return True, f"a fresh process repeats its logits within {difference:.1e}"


def _latency(report: Report, policy: Policy) -> Outcome:
    ratio = policy.retraining.gates.latency_ratio
    candidate = _number(report, "latency", "candidate_ms")
    if _champion(report) is None:
        return True, f"{candidate:.2f} ms per photo; {_NO_CHAMPION}"
    champion = _number(report, "latency", "champion_ms")
    return candidate <= ratio * champion, (
        f"{candidate:.2f} ms per photo, the champion {champion:.2f} ms; at most {ratio:g} times "
        "as long is allowed"
    )


def _better(report: Report, _: Policy) -> Outcome:
    """A candidate without any gain is not promoted, even if it loses nothing."""
    if _champion(report) is None:
        return True, _NO_CHAMPION
    gains = [gain for name in _sets(report) for gain in _gains(report, name)]
    if not gains:
        return False, "no better than the champion in accuracy, leak or review rate"
    return True, "better than the champion in " + ", ".join(gains)


def _gains(report: Report, set_name: str) -> Iterator[str]:
    models = [("sets", set_name, model) for model in ("candidate", "champion")]
    new, old = (_number(report, *model, "accuracy") for model in models)
    if new > old:
        yield f"accuracy on {set_name} ({old:.1%} to {new:.1%})"
    (new_leaks, new_passed), (old_leaks, old_passed) = (
        _leak_counts(report, *model[1:]) for model in models
    )
    # A model that passes nothing leaks nothing: that is not a gain.
    if new_passed > 0 and new_leaks * old_passed < old_leaks * new_passed:
        rates = f"{old_leaks / old_passed:.1%} to {new_leaks / new_passed:.1%}"
        yield f"leak rate on {set_name} ({rates})"
    new, old = (_number(report, *model, "verdicts", "review_rate") for model in models)
    if new < old:
        yield f"review rate on {set_name} ({old:.1%} to {new:.1%})"


def _leak_counts(report: Report, set_name: str, model: str) -> tuple[float, float]:
    """(violations that passed, photos that passed)."""
    path = ("sets", set_name, model)
    photos = _number(report, *path, "photos")
    passed = round(photos * _number(report, *path, "verdicts", "pass_rate"))
    return _number(report, *path, "verdicts", "leaked"), passed


def _sets(report: Report) -> list[str]:
    """The whole golden set, and its newest photos if this run added any."""
    sets = _at(report, "sets")
    if not isinstance(sets, Mapping):
        raise ModelError("the report has no sets")
    return ["golden", "newest"] if "newest" in sets else ["golden"]


def _champion(report: Report) -> Any:  # noqa: ANN401 - a hash or None, as JSON gives it
    return _at(report, "champion")


def _at(report: Report, *path: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = report
    for i, key in enumerate(path):
        if not isinstance(value, Mapping) or key not in value:
            raise ModelError(f"the report has no {'.'.join(path[: i + 1])}")
        value = value[key]
    return value


def _number(report: Report, *path: str) -> float:
    value = _at(report, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(f"the report has no number at {'.'.join(path)}")
    return float(value)
