"""May the candidate be promoted? A pure function of the evaluation report and the policy.

The list of gates follows from the policy alone; the report can only fail them. What the report does
not say, or says in numbers that are none, holds the candidate and names the gate. A drop against
the champion counts where the paired test finds it at the policy's significance, on the whole golden
set or on its newest photos: chance alone would else hold every second month.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ml.errors import ModelError
from ml.evaluation.cut_offs import TOO_FEW
from ml.policy.policy import Policy

Report = Mapping[str, Any]
Outcome = tuple[bool, str]
Check = Callable[[Report, Policy], Outcome]

_NO_CHAMPION = "no champion to compare with"
_SHOWN = 3  # photos that a reason names


@dataclass(frozen=True)
class Gate:
    """One condition, whether it holds, and why."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateResult:
    """The decision with all its gates; `promote` where every one of them passed."""

    decision: Literal["promote", "hold"]
    gates: tuple[Gate, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"decision": self.decision, "gates": [asdict(gate) for gate in self.gates]}


def gate(report: Report, policy: Policy) -> GateResult:
    """Judge a candidate by its evaluation report.

    Args:
        report: as `ml.retraining.evaluate` writes it.
        policy: that of the run.
    """
    gates = tuple(_judged(name, check, report, policy) for name, check in _checks(policy))
    passed = all(g.passed for g in gates)
    return GateResult("promote" if passed else "hold", gates)


def _checks(policy: Policy) -> Iterator[tuple[str, Check]]:
    yield "doubted_labels", _doubted_labels
    for name in policy.retraining.gates.recall_floor:
        yield f"recall_floor:{name}", _recall_floor(name)
    yield "no_regression:accuracy", _no_regression("accuracy")
    for name in policy.classes:
        yield f"no_regression:{name}", _no_regression("recall", name)
    yield "no_regression:leak", _no_regression("leak")
    yield "calibration_error", _calibration_error
    yield "leak_bound", _leak_bound
    yield "known_bad", _known_bad
    yield "servable", _servable
    yield "latency", _latency
    yield "better", _better


def _judged(name: str, check: Check, report: Report, policy: Policy) -> Gate:
    try:
        passed, reason = check(report, policy)
    except ModelError as error:
        return Gate(name, passed=False, reason=str(error))
    return Gate(name, passed=passed, reason=reason)


def _doubted_labels(report: Report, policy: Policy) -> Outcome:
    """Too many doubts are not single slips: the month's labels cannot be trusted to judge by."""
    most = policy.retraining.gates.doubted_share
    labels = _at(report, "data", "labels")
    if not isinstance(labels, Mapping):
        raise ModelError("the report has no mapping at data.labels")
    shares = {}
    for name in labels:
        doubted, checked = (
            _number(report, "data", "labels", name, key) for key in ("doubted", "checked")
        )
        shares[name] = doubted / checked if checked else 0.0
    words = ", ".join(f"{share:.1%} of {name}" for name, share in shares.items()) or "no labels"
    passed = all(share <= most for share in shares.values())
    return passed, f"doubted labels: {words}; at most {most:.1%} of a class is allowed"


def _recall_floor(name: str) -> Check:
    def check(report: Report, policy: Policy) -> Outcome:
        floor = policy.retraining.gates.recall_floor[name]
        found = ("sets", "golden", "candidate", "per_class", name)
        photos = _number(report, *found, "support")
        if photos <= 0:
            return False, f"no golden photos of {name}"
        recall = _number(report, *found, "recall")
        words = f"recall of {name} is {recall:.1%} of {photos:,.0f} golden photos, the floor"
        return recall >= floor, f"{words} {floor:.1%}"

    return check


def _no_regression(*measure: str) -> Check:
    def check(report: Report, policy: Policy) -> Outcome:
        if _champion(report) is None:
            return True, _NO_CHAMPION
        significance = policy.retraining.gates.significance
        outcomes = [_drop(report, name, measure, significance) for name in _sets(report)]
        return all(passed for passed, _ in outcomes), "; ".join(words for _, words in outcomes)

    return check


def _drop(report: Report, part: str, measure: tuple[str, ...], significance: float) -> Outcome:
    test = ("sets", part, "paired", *measure)
    photos, gained, lost, difference, chance = (
        _number(report, *test, name)
        for name in ("photos", "gained", "lost", "difference", "p_value")
    )
    if photos <= 0:
        return True, f"{part}: no photos to compare on"
    passed = difference >= 0.0 or chance >= significance
    return passed, (
        f"{part}: {gained:,.0f} of {photos:,.0f} photos won and {lost:,.0f} lost "
        f"({difference:+.1%}, p {chance:.3f}; a drop counts under p {significance:g})"
    )


def _calibration_error(report: Report, policy: Policy) -> Outcome:
    most = policy.retraining.gates.calibration_error
    photos = _number(report, "sets", "golden", "photos")
    if photos <= 0:
        return False, "no golden photos"
    error, luck = (
        _number(report, "sets", "golden", "candidate", name)
        for name in ("expected_calibration_error", "calibration_error_by_chance")
    )
    words = (
        f"expected calibration error is {error:.3f} on {photos:,.0f} golden photos, at most "
        f"{most:g} is asked; by chance alone it would reach {luck:.3f}"
    )
    return error <= max(most, luck), words


def _leak_bound(report: Report, policy: Policy) -> Outcome:
    asked = policy.retraining.leak_bound
    cut_offs = ("cut_offs", "candidate")
    if _at(report, *cut_offs, "evidence") is None:
        return _leak_not_shown(report, policy)
    upper, confidence, passed, leaked = (
        _number(report, *cut_offs, "evidence", name)
        for name in ("upper_bound", "confidence", "passed", "leaked")
    )
    enough = upper <= asked.rate and confidence >= asked.confidence
    return enough, (
        f"{leaked:,.1f} of {passed:,.1f} passed held-out labels leaked: at most {upper:.1%} with "
        f"confidence {confidence:.0%}; {asked.rate:.1%} with {asked.confidence:.0%} is asked"
    )


def _leak_not_shown(report: Report, policy: Policy) -> Outcome:
    source = str(_at(report, "cut_offs", "candidate", "source"))
    if not source.startswith(TOO_FEW):
        return False, f"the cut-off has no evidence ({source})"
    if _champion(report) is not None:
        significance = policy.retraining.gates.significance
        passed, words = _drop(report, "golden", ("leak",), significance)
        how = "leaks no more than the champion" if passed else "leaks more than the champion"
        return (
            passed,
            f"the bound is not shown ({source}); {how} as far as the photos tell: {words}",
        )
    rate = policy.retraining.leak_bound.rate
    leaked, passing = _leak_counts(report, "golden", "candidate")
    words = f"{leaked:,.0f} of {passing:,.0f} passed golden photos leak, {rate:.1%} is allowed"
    return leaked <= rate * passing, f"the bound is not shown ({source}); {_NO_CHAMPION}: {words}"


def _known_bad(report: Report, _: Policy) -> Outcome:
    photos, passed = _number(report, "known_bad", "photos"), _at(report, "known_bad", "passed")
    if not isinstance(passed, list):
        raise ModelError("the report has no list at known_bad.passed")
    if not passed:
        return True, f"none of {photos:,.0f} known bad photos would pass"
    named = ", ".join(str(photo)[:12] for photo in passed[:_SHOWN])
    more = " and others" if len(passed) > _SHOWN else ""
    return False, f"{len(passed):,} of {photos:,.0f} known bad photos would pass: {named}{more}"


def _servable(report: Report, _: Policy) -> Outcome:
    detail = str(_at(report, "servable", "detail"))
    if _at(report, "servable", "ok") is not True:
        return False, f"a fresh process cannot serve it: {detail}"
    difference = _number(report, "servable", "largest_difference")
    return True, f"a fresh process repeats its logits to {difference:.1e}"


def _latency(report: Report, policy: Policy) -> Outcome:
    ratio = policy.retraining.gates.latency_ratio
    candidate = _number(report, "latency", "candidate_ms")
    if _champion(report) is None:
        return True, f"{candidate:.2f} ms a photo; {_NO_CHAMPION}"
    champion = _number(report, "latency", "champion_ms")
    words = f"{candidate:.2f} ms a photo, the champion {champion:.2f} ms"
    return candidate <= ratio * champion, f"{words}; at most {ratio:g} times as long is allowed"


def _better(report: Report, _: Policy) -> Outcome:
    """A candidate that gains nothing anywhere is no reason to switch, though it loses nothing."""
    if _champion(report) is None:
        return True, _NO_CHAMPION
    gains = [words for part in _sets(report) for words in _gains(report, part)]
    if not gains:
        return False, "no better than the champion in accuracy, leak or review rate"
    return True, "better than the champion in " + ", ".join(gains)


def _gains(report: Report, part: str) -> Iterator[str]:
    sides = [("sets", part, side) for side in ("candidate", "champion")]
    new, old = (_number(report, *side, "accuracy") for side in sides)
    if new > old:
        yield f"accuracy on {part} ({old:.1%} to {new:.1%})"
    (new_leaks, new_passed), (old_leaks, old_passed) = (_leak_counts(report, *s[1:]) for s in sides)
    # Who passes nothing leaks nothing: that is no gain.
    if new_passed > 0 and new_leaks * old_passed < old_leaks * new_passed:
        rates = f"{old_leaks / old_passed:.1%} to {new_leaks / new_passed:.1%}"
        yield f"leak rate on {part} ({rates})"
    new, old = (_number(report, *side, "verdicts", "review_rate") for side in sides)
    if new < old:
        yield f"review rate on {part} ({old:.1%} to {new:.1%})"


def _leak_counts(report: Report, part: str, side: str) -> tuple[float, float]:
    """(violations that passed, photos that passed)."""
    measured = ("sets", part, side)
    photos = _number(report, *measured, "photos")
    passed = round(photos * _number(report, *measured, "verdicts", "pass_rate"))
    return _number(report, *measured, "verdicts", "leaked"), passed


def _sets(report: Report) -> list[str]:
    """The whole golden set, and its newest photos where this month brought any."""
    sets = _at(report, "sets")
    if not isinstance(sets, Mapping):
        raise ModelError("the report has no sets")
    return ["golden", "newest"] if "newest" in sets else ["golden"]


def _champion(report: Report) -> Any:  # noqa: ANN401 - a hash or None, as JSON gives it
    return _at(report, "champion")


def _at(report: Report, *path: str) -> Any:  # noqa: ANN401 - whatever the JSON holds there
    found: Any = report
    for i, key in enumerate(path):
        if not isinstance(found, Mapping) or key not in found:
            raise ModelError(f"the report has no {'.'.join(path[: i + 1])}")
        found = found[key]
    return found


def _number(report: Report, *path: str) -> float:
    found = _at(report, *path)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ModelError(f"the report has no number at {'.'.join(path)}")
    return float(found)
