"""Precision of a signal, and the leaks that it missed, by what reviewers decided."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.core.window import Window
from ml.operations.monitoring.signal_report import SignalFigures, report_signals
from ml.policy.schema import load_policy
from ml.storage.database import in_transaction
from tests.integration.moderation.nightly.screened import person_decides, task_of
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.signal_models import brightness
from tests.support.signals import install_signal, with_signals

pytestmark = pytest.mark.integration

GLARING = 255  # a brightness that the signal raises; it does not raise BRIGHT photos


@pytest.fixture
def signalling(shop: Shop, tmp_path: Path) -> Shop:
    """Half of what passes is spot-checked."""
    glare = install_signal(shop, brightness(), bright=0.88)
    return with_signals(shop, tmp_path, glare=glare, spot_check={"passed": 0.5})


def figures(shop: Shop, *, days: int = 1) -> list[SignalFigures]:
    policy = load_policy(shop.settings.policy_file)
    end = datetime.now(UTC) + timedelta(days=max(0, -days))
    window = Window(datetime.now(UTC) - timedelta(days=days), end + timedelta(minutes=1))
    return in_transaction(
        shop.connections.engine, lambda c: report_signals(c, window, policy=policy)
    )


def decide(shop: Shop, key: str, label: str) -> None:
    task_id = task_of(shop, key)[0]
    assert isinstance(task_id, int)
    person_decides(shop, task_id, label)


def test_signal_without_answers_has_counts_and_no_rates(signalling: Shop) -> None:
    signalling.upload("glaring.jpg", photo(GLARING, seed=1))
    run_nightly(signalling)
    [found] = figures(signalling)
    assert (found.screen, found.raised, found.decided) == ("signal:glare", 1, 0)
    assert (found.precision.rate, found.leak.rate) == (None, None)


def test_precision_counts_raised_photos_and_leak_the_spot_checks_of_others(
    signalling: Shop,
) -> None:
    glaring = [signalling.upload(f"g{n}.jpg", photo(GLARING, seed=n)) for n in range(4)]
    for number in range(16):
        signalling.upload(f"b{number}.jpg", photo(BRIGHT, seed=100 + number))
    run_nightly(signalling)
    for key, label in zip(glaring, ("violate", "violate", "normal"), strict=False):
        decide(signalling, key, label)
    checked = [
        str(key)
        for (key,) in signalling.rows(
            "select object_key from moderation.review_task where route = 'spot_check' order by 1"
        )
    ]
    assert len(checked) >= 3
    assert not set(glaring) & set(checked)
    for number, key in enumerate(checked):
        decide(signalling, key, "normal" if number else "violate")
    [found] = figures(signalling)
    assert (found.raised, found.decided, found.confirmed) == (4, 3, 2)
    assert (found.spot_checked, found.missed) == (len(checked), 1)
    assert found.precision.rate == pytest.approx(2 / 3)
    assert found.precision.low == pytest.approx(0.094, abs=0.001)
    assert found.precision.high == pytest.approx(0.992, abs=0.001)
    assert found.leak.rate == pytest.approx(1 / len(checked))


def test_undone_decisions_and_those_before_the_period_do_not_count(signalling: Shop) -> None:
    key = signalling.upload("glaring.jpg", photo(GLARING, seed=1))
    run_nightly(signalling)
    decide(signalling, key, "violate")
    assert figures(signalling)[0].decided == 1
    signalling.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'ann' from moderation.human_label"
    )
    assert figures(signalling)[0].decided == 0
    assert figures(signalling, days=-1)[0].raised == 0
