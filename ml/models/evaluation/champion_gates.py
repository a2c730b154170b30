"""Gates that compare a candidate with the champion, photo by photo."""

from collections.abc import Iterator

from ml.models.evaluation.model_comparison import (
    Report,
    compared_sets,
    leak_counts,
    main_set,
    number_at,
    numbers_at,
    value_at,
)
from ml.policy.schema import Policy

Outcome = tuple[bool, str]  # whether the condition holds, and why

NO_CHAMPION = "no champion to compare with"


def no_regression(measure: str, report: Report, policy: Policy) -> Outcome:
    """No compared set shows a significant drop of the measure, a path below `paired`."""
    if value_at(report, "champion") is None:
        return True, NO_CHAMPION
    outcomes = [compare_paired(report, name, measure, policy) for name in compared_sets(report)]
    return all(passed for passed, _ in outcomes), "; ".join(reason for _, reason in outcomes)


def compare_paired(report: Report, set_name: str, measure: str, policy: Policy) -> Outcome:
    """Passes unless the measure dropped significantly versus the champion.

    Without a paired test, noise would hold every second candidate.
    """
    significance = policy.retraining.gates.significance
    test = f"sets.{set_name}.paired.{measure}"
    photos, gained, lost = numbers_at(report, test, "photos", "gained", "lost")
    difference, p_value = numbers_at(report, test, "difference", "p_value")
    if photos <= 0:
        return True, f"{set_name}: no photos to compare on"
    passed = difference >= 0.0 or p_value >= significance
    return passed, (
        f"{set_name}: {gained:,.0f} of {photos:,.0f} photos won and {lost:,.0f} lost "
        f"({difference:+.1%}, p {p_value:.3f}; a drop counts if p is below {significance:g})"
    )


def or_clearly_better(passed: bool, reason: str, report: Report, policy: Policy) -> Outcome:
    """An absolute limit that is not kept does not keep a champion that is clearly worse.

    That is one with a significantly lower accuracy, which lets significantly more violations pass,
    while no class is recognized significantly better.
    """
    if passed or value_at(report, "champion") is None:
        return passed, reason
    significance, test = policy.retraining.gates.significance, f"sets.{main_set(report)}.paired"
    gained = [
        numbers_at(report, f"{test}.{m}", "difference", "p_value") for m in ("accuracy", "leak")
    ]
    improved = all(difference > 0 and p_value < significance for difference, p_value in gained)
    kept = all(no_regression(f"recall.{name}", report, policy)[0] for name in policy.classes)
    if not (improved and kept):
        return False, reason
    differences = ", ".join(
        f"{name} {difference:+.1%} (p {p_value:.3f})"
        for name, (difference, p_value) in zip(("accuracy", "caught"), gained, strict=True)
    )
    return True, f"{reason}; allowed, since the champion is clearly worse: {differences}"


def better(report: Report, _: Policy) -> Outcome:
    """A candidate without any gain is not promoted, even if it loses nothing."""
    if value_at(report, "champion") is None:
        return True, NO_CHAMPION
    gains = [gain for name in compared_sets(report) for gain in _gains(report, name)]
    if not gains:
        return False, "no better than the champion in accuracy, leak or review rate"
    return True, "better than the champion in " + ", ".join(gains)


def _gains(report: Report, set_name: str) -> Iterator[str]:
    models = [f"sets.{set_name}.{model}" for model in ("candidate", "champion")]
    new, old = (number_at(report, f"{model}.accuracy") for model in models)
    if new > old:
        yield f"accuracy on {set_name} ({old:.1%} to {new:.1%})"
    (new_leaks, new_passed), (old_leaks, old_passed) = (leak_counts(report, m) for m in models)
    # A model that passes nothing leaks nothing: that is not a gain.
    if new_passed > 0 and new_leaks * old_passed < old_leaks * new_passed:
        rates = f"{old_leaks / old_passed:.1%} to {new_leaks / new_passed:.1%}"
        yield f"leak rate on {set_name} ({rates})"
    new, old = (number_at(report, f"{model}.verdicts.review_rate") for model in models)
    if new < old:
        yield f"review rate on {set_name} ({old:.1%} to {new:.1%})"
