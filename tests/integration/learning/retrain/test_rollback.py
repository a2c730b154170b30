"""Rollback to an earlier champion: one entry of the history, and the same verdicts as before."""

from pathlib import Path

import pytest

from ml.core.errors import ModelError, ObjectNotFound, PolicyError, PromotionConflict
from ml.core.settings import ROOT
from ml.learning.retrain import promote as module
from ml.learning.retrain.promote import resolve, rollback
from ml.models import registry
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.model_versions import list_promotions
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.versions import add_altered_version, add_version, add_version_row

pytestmark = pytest.mark.integration


def _promote(shop: Shop, version: str) -> str:
    registry.promote(version, engine=shop.connections.engine, by="ann", reason="better")
    return version


def _back(shop: Shop, to: str = "previous") -> str:
    return rollback(
        to, by="bob", reason="worse", settings=shop.settings, connections=shop.connections
    )


def _champion(shop: Shop) -> str:
    return in_transaction(shop.connections.engine, registry.champion_hash)


def _results(shop: Shop, run_id: str) -> list[tuple[object, ...]]:
    return shop.rows(
        "select ar.object_key, ar.outcome = 'quarantined', ar.decision, ar.reasons, v.scores, "
        "ar.violation_score, ar.model_hash from moderation.audit_result ar "
        "left join moderation.verdict v on v.content_sha256 = ar.content_sha256 "
        "and v.model_hash = ar.model_hash and v.policy_version = ar.policy_version "
        "and ar.decision is not null where ar.run_id = :run order by 1",
        run=run_id,
    )


def _statuses(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("select object_key, moderation_status from commerce.review_image order by 1")


def test_window_scored_again_after_a_rollback_has_the_first_verdicts(
    shop: Shop, tmp_path: Path
) -> None:
    for i in range(8):
        shop.upload(f"bright-{i}.jpg", photo(BRIGHT, seed=i))
        shop.upload(f"dark-{i}.jpg", photo(DARK, seed=50 + i))
    shop.upload("middle.jpg", photo(MIDDLE, seed=99))
    shop.upload("broken.jpg", b"no photo")
    run_nightly(shop, "first")
    first, shown = _results(shop, "first"), _statuses(shop)
    _promote(shop, add_version(shop, tmp_path / "second"))
    run_nightly(shop, "second")
    assert [row[:6] for row in _results(shop, "second")] != [row[:6] for row in first]
    assert _statuses(shop) != shown
    assert _back(shop) == shop.model_hash
    run_nightly(shop, "third")
    assert _results(shop, "third") == first
    assert len(first) == 18
    assert _statuses(shop) == shown


def test_rollback_is_one_entry_of_the_history(shop: Shop, tmp_path: Path) -> None:
    second = _promote(shop, add_version(shop, tmp_path / "second"))
    _back(shop)
    rows = in_transaction(shop.connections.engine, list_promotions)
    last = rows[-1]
    assert (last.kind, last.model_hash, last.previous_hash) == (
        "rollback",
        shop.model_hash,
        second,
    )
    assert (last.promoted_by, last.reason) == ("bob", "worse")
    assert len(rows) == 3


def test_previous_twice_goes_back_two_versions(shop: Shop, tmp_path: Path) -> None:
    second = _promote(shop, add_version(shop, tmp_path / "second"))
    _promote(shop, add_version_row(shop, "c"))
    assert _back(shop) == second
    assert _back(shop) == shop.model_hash
    with pytest.raises(ModelError, match="no version before"):
        _back(shop)
    _promote(shop, add_version_row(shop, "d"))
    assert resolve("previous", connections=shop.connections) == shop.model_hash


def test_version_is_found_by_its_hash_or_a_prefix(shop: Shop) -> None:
    for to in (shop.model_hash, shop.model_hash[:8]):
        _promote(shop, "c" * 64 if to != shop.model_hash else add_version_row(shop, "c"))
        assert _back(shop, to) == shop.model_hash == _champion(shop)


def test_rollback_to_the_champion_changes_nothing(shop: Shop) -> None:
    assert _back(shop, shop.model_hash) == shop.model_hash
    assert len(in_transaction(shop.connections.engine, list_promotions)) == 1


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("previous", "no version before"),
        ("latest", "names no version"),
        ("c" * 7, "names no version"),
        ("C" * 8, "names no version"),
        ("%" * 8, "names no version"),
        ("f" * 64, "no registered model version"),
        ("c" * 8, "2 versions begin with"),
        ("d" * 8, "never champion"),
    ],
)
def test_target_that_was_never_champion_is_rejected(shop: Shop, to: str, said: str) -> None:
    add_version_row(shop, "c")
    add_version_row(shop, "d")
    shop.execute("insert into moderation.model_version values (:h, :h, '{}')", h="c" * 60 + "0000")
    with pytest.raises(ModelError, match=said):
        _back(shop, to)
    assert _champion(shop) == shop.model_hash


def test_version_with_other_classes_is_rejected_with_a_remedy(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    other = add_altered_version(shop, champion_folder, tmp_path / "o", classes=("normal", "weapon"))
    _promote(shop, other)
    _promote(shop, shop.model_hash)
    with pytest.raises(PolicyError, match="restore the policy"):
        _back(shop)
    assert _champion(shop) == shop.model_hash


def test_rollback_needs_only_a_policy_that_a_run_stored(shop: Shop, tmp_path: Path) -> None:
    second = _promote(shop, add_version(shop, tmp_path / "second"))
    shop.settings.policy_file.write_text("classes: [", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"line 1.*no run has stored a valid policy"):
        _back(shop)
    assert _champion(shop) == second
    valid = load_policy(ROOT / "config" / "policy.yaml")
    night = AuditRun("night", shop.window, second, valid, "cpu")
    in_transaction(shop.connections.engine, audit_runs.begin, night)
    assert _back(shop) == shop.model_hash == _champion(shop)


def test_version_with_missing_weights_is_rejected(shop: Shop) -> None:
    _promote(shop, add_version_row(shop, "c"))
    _promote(shop, shop.model_hash)
    with pytest.raises(ObjectNotFound):
        _back(shop, "c" * 64)
    assert _champion(shop) == shop.model_hash


def test_concurrent_promotion_stops_a_rollback_to_previous(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _promote(shop, add_version(shop, tmp_path / "second"))
    third, check = add_version_row(shop, "c"), module.check_classes

    def and_meanwhile(*given: object) -> None:
        _promote(shop, third)
        check(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "check_classes", and_meanwhile)
    with pytest.raises(PromotionConflict):
        _back(shop)
    assert _champion(shop) == third


def test_other_champion_than_expected_stops_the_rollback(shop: Shop, tmp_path: Path) -> None:
    second = _promote(shop, add_version(shop, tmp_path / "second"))
    third = _promote(shop, add_version(shop, tmp_path / "third", seed=3))

    def back(to: str, expected: str) -> str:
        return rollback(
            to, by="bob", reason="worse", expected=expected,
            settings=shop.settings, connections=shop.connections,
        )  # fmt: skip

    for to in ("previous", second):
        with pytest.raises(PromotionConflict):
            back(to, shop.model_hash)
    assert _champion(shop) == third
    assert back("previous", third) == second


@pytest.mark.parametrize("kind", ["nan", "constant"])
def test_rollback_to_a_version_without_usable_scores_is_refused(
    shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    _promote(shop, add_altered_version(shop, champion_folder, tmp_path / "a", spoil=kind))
    good = _promote(shop, add_version(shop, tmp_path / "b"))
    with pytest.raises(ModelError, match=r"not finite|same scores"):
        _back(shop)
    assert _champion(shop) == good
