"""Models of others raise photos in a nightly run; they pass none, and stop no run."""

from pathlib import Path

import pytest

from ml.core.errors import PolicyError
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.replay import replay
from tests.integration.moderation.nightly.screened import task_of
from tests.support import views
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.signal_models import brightness, make_card, no_number_in_the_light, policy_of
from tests.support.signals import install_signal, with_signals

pytestmark = pytest.mark.integration

NAME = "signal:glare"


@pytest.fixture
def glare(shop: Shop) -> dict[str, object]:
    """A signal that fires on bright photos, which the test champion passes."""
    return install_signal(shop, brightness(), bright=0.6)


def verdict(shop: Shop, key: str) -> tuple[object, ...]:
    """Decision, reasons and screens of a photo."""
    [row] = shop.rows(
        "select decision, reasons, screens from moderation.audit_result where object_key = :key",
        key=key,
    )
    return row


def test_raised_photo_goes_to_review_with_the_model_that_raised_it(
    shop: Shop, glare: dict[str, object], tmp_path: Path
) -> None:
    signalling = with_signals(shop, tmp_path, glare=glare)
    bright = signalling.upload("bright.jpg", photo(BRIGHT, seed=1))
    dark = signalling.upload("dark.jpg", photo(DARK, seed=2))
    report = run_nightly(signalling)
    decision, reasons, screens = verdict(signalling, bright)
    assert (decision, reasons) == ("review", [f"{NAME}:bright"])
    found = screens[NAME]  # type: ignore[index]  # an object
    assert found["evidence"]["model"] == glare["model"]
    assert found["evidence"]["class"] == "violate"
    assert found["value"] >= 0.6
    decision, reasons, screens = verdict(signalling, dark)
    assert (decision, reasons) == ("review", ["violation:violate"])
    assert screens[NAME]["state"] == "clear"  # type: ignore[index]  # as above
    assert report["screens"] == {NAME: {"clear": 1, "fired": 1}}
    # A raised photo does not wait behind all others because the model scores it low.
    assert task_of(signalling, bright)[2] == 1.0
    result = replay("night", settings=signalling.settings, connections=signalling.connections)
    assert (result.photos, result.equal) == (2, 2)


def test_signal_that_is_evidence_alone_lets_the_photo_pass(
    shop: Shop, glare: dict[str, object], tmp_path: Path
) -> None:
    signalling = with_signals(shop, tmp_path, glare={**glare, "action": "evidence"})
    key = signalling.upload("bright.jpg", photo(BRIGHT, seed=1))
    run_nightly(signalling)
    decision, _, screens = verdict(signalling, key)
    assert (decision, screens[NAME]["state"]) == ("pass", "fired")  # type: ignore[index]  # an object


def test_worst_of_all_views_counts(shop: Shop, tmp_path: Path) -> None:
    """One dark frame among bright ones, which the champion judges as well."""
    gloom = install_signal(shop, brightness(), dark=0.7)
    signalling = with_signals(shop, tmp_path, gloom=gloom)
    animated = signalling.upload("a.gif", views.with_dark_frame("GIF", at=7))
    still = signalling.upload("b.jpg", photo(BRIGHT, seed=1))
    run_nightly(signalling)
    _, reasons, screens = verdict(signalling, animated)
    assert "signal:gloom:dark" in reasons  # type: ignore[operator]  # texts
    evidence = screens["signal:gloom"]["evidence"]  # type: ignore[index]  # an object
    assert evidence["view"] == screens["views"]["evidence"]["worst"]  # type: ignore[index]  # as above
    assert verdict(signalling, still)[0] == "pass"


@pytest.mark.parametrize(("allowed", "decision"), [(False, "review"), (True, "pass")])
def test_failure_on_a_photo_sends_it_to_review_unless_the_policy_allows_it(
    shop: Shop, tmp_path: Path, *, allowed: bool, decision: str
) -> None:
    odd = install_signal(shop, no_number_in_the_light(), "dark", dark=0.99)
    signalling = with_signals(shop, tmp_path, odd={**odd, "allow_when_failed": allowed})
    bright = signalling.upload("bright.jpg", photo(BRIGHT, seed=1))
    dark = signalling.upload("dark.jpg", photo(DARK, seed=2))
    run_nightly(signalling)
    found = verdict(signalling, bright)
    assert (found[0], found[2]["signal:odd"]["state"]) == (decision, "unknown")  # type: ignore[index]  # an object
    assert ("screen_failed:signal:odd" in found[1]) is not allowed  # type: ignore[operator]  # texts
    assert verdict(signalling, dark)[2]["signal:odd"]["state"] == "clear"  # type: ignore[index]  # as above


def test_preflight_refuses_a_signal_that_is_not_installed(shop: Shop, tmp_path: Path) -> None:
    missing = policy_of(make_card(brightness(), input={"padding": 99}), bright=0.5)
    signalling = with_signals(shop, tmp_path, glare=missing)
    with pytest.raises(PolicyError, match=r"screens\.signals\.glare.*signals install"):
        preflight("night", shop.window, settings=signalling.settings, connections=shop.connections)
    assert shop.rows("select 1 from moderation.audit_run") == []


def test_preflight_refuses_an_output_that_the_model_lacks(
    shop: Shop, glare: dict[str, object], tmp_path: Path
) -> None:
    raises = {"nsfw": {"class": "violate", "threshold": 0.5}}
    signalling = with_signals(shop, tmp_path, glare={**glare, "raises": raises})
    with pytest.raises(PolicyError, match="no output nsfw; it has bright, dark"):
        preflight("night", shop.window, settings=signalling.settings, connections=shop.connections)
