import pytest

from ml.core.errors import QuarantineShareExceeded
from ml.moderation.nightly.report import check_quarantine, cost_of
from ml.policy.schema import Prices
from tests.support.policies import policy

PRICES = Prices(manual_yuan_per_photo=0.2, machine_yuan_per_hour=8.0)


def test_costs_are_compared_with_manual_review() -> None:
    cost = cost_of(photos=1000, reviewed=150, machine_seconds=1800, prices=PRICES)
    assert cost.manual_only == pytest.approx(200)  # 1,000 photos x 0.2 yuan
    assert cost.review == pytest.approx(30)  # 150 photos x 0.2 yuan
    assert cost.machine == pytest.approx(4)  # half an hour x 8 yuan
    assert cost.saved == pytest.approx(166)  # 200 - 30 - 4
    assert cost.saved_share == pytest.approx(0.83)  # 166 / 200


def test_savings_are_negative_if_all_photos_go_to_review() -> None:
    cost = cost_of(photos=10, reviewed=10, machine_seconds=3600, prices=PRICES)
    assert cost.saved == pytest.approx(-8)  # 2 - 2 - 8
    assert cost.saved_share == pytest.approx(-4)  # -8 / 2


def test_empty_run_has_no_saved_share() -> None:
    cost = cost_of(photos=0, reviewed=0, machine_seconds=9, prices=PRICES)
    assert cost.saved == pytest.approx(-0.02)  # 9 s of 3,600 x 8 yuan
    assert cost.saved_share is None


def _report(quarantined: int, listed: int) -> dict[str, object]:
    reasons = {"forbidden": quarantined}
    return {"quarantined": quarantined, "listed": listed, "quarantine_reasons": reasons}


@pytest.mark.parametrize(("quarantined", "listed"), [(0, 0), (9, 9), (100, 1000)])
def test_usual_share_of_quarantined_photos_is_accepted(quarantined: int, listed: int) -> None:
    check_quarantine(_report(quarantined, listed), policy(violate=None).alerts)


def test_too_many_quarantined_photos_are_an_error_with_the_reasons() -> None:
    with pytest.raises(QuarantineShareExceeded, match=r"30 of 30.*100.0%.*10.0%.*forbidden"):
        check_quarantine(_report(30, 30), policy(violate=None).alerts)
