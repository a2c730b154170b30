import pytest

from ml.moderation.nightly.report import cost_of
from ml.policy.schema import Prices

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
