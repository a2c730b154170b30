import pytest

from ml.audit.report import cost_of
from ml.policy.policy import Prices

PRICES = Prices(manual_yuan_per_photo=0.2, machine_yuan_per_hour=8.0)


def test_what_a_night_costs_beside_people_alone() -> None:
    cost = cost_of(photos=1000, by_people=150, machine_seconds=1800, prices=PRICES)
    assert cost.manual_only == pytest.approx(200)  # 1,000 photos x 0.2 yuan
    assert cost.review == pytest.approx(30)  # 150 photos x 0.2 yuan
    assert cost.machine == pytest.approx(4)  # half an hour x 8 yuan
    assert cost.saved == pytest.approx(166)  # 200 - 30 - 4
    assert cost.saved_share == pytest.approx(0.83)  # 166 / 200


def test_a_night_that_people_do_alone_saves_less_than_nothing() -> None:
    cost = cost_of(photos=10, by_people=10, machine_seconds=3600, prices=PRICES)
    assert cost.saved == pytest.approx(-8)  # 2 - 2 - 8
    assert cost.saved_share == pytest.approx(-4)  # -8 / 2


def test_an_empty_night_has_no_share() -> None:
    cost = cost_of(photos=0, by_people=0, machine_seconds=9, prices=PRICES)
    assert cost.saved == pytest.approx(-0.02)  # 9 s of 3,600 x 8 yuan
    assert cost.saved_share is None
