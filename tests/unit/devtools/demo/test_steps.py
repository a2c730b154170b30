import io
import time

import pytest
from rich.console import Console

from devtools.demo.steps import Steps

EXPECTED = {"photos": 0.1, "model": 60.0, "night": 140.0}


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def steps(said: io.StringIO) -> Steps:
    return Steps(EXPECTED, Console(file=said, width=80))


def test_step_prints_expected_and_remaining_time(steps: Steps, said: io.StringIO) -> None:
    with steps.step("photos"):
        pass
    text = said.getvalue()
    assert "1 · photos" in text
    assert "3 min 20 s left in all" in text
    assert "photos: took 0 s" in text


def test_remaining_time_grows_on_a_slow_machine(steps: Steps) -> None:
    assert steps.seconds_left == pytest.approx(200.1)
    with steps.step("photos"):
        time.sleep(0.3)
    assert 3 * 200 <= steps.seconds_left <= 10 * 200


def test_running_step_counts_as_remaining(steps: Steps) -> None:
    with steps.step("photos"):
        assert steps.seconds_left == pytest.approx(200.1)
