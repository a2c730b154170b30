"""Checks of champion and policy."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from ml.models import registry
from ml.models.distillation import networks
from ml.operations.doctor.check import CheckStatus
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.policies import policy, write_policy
from tests.support.servers import Shop
from tests.support.signal_models import brightness
from tests.support.signals import install_signal, with_signals
from tests.support.versions import add_altered_version

pytestmark = pytest.mark.integration


def test_missing_champion_fails(run_doctor: Examine, shop: Shop) -> None:
    shop.execute("delete from moderation.champion")
    found = run_doctor()
    assert failures(found) == ["champion"]
    assert "promote" in found["champion"].remedy
    assert found["champion's classes"].state is CheckStatus.SKIPPED


def test_damaged_weights_in_bucket_fail_despite_cache(run_doctor: Examine, shop: Shop) -> None:
    models, settings = shop.connections.models, shop.settings
    registry.fetch(shop.model_hash, store=models, cache=shop.connections.model_cache)
    key = f"models/{shop.model_hash}/weights.safetensors"
    whole = models.get(key)
    models.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        found = run_doctor(data_dir=settings.data_dir)
    finally:
        models.put(key, whole)
    assert failures(found) == ["champion"]
    assert "damaged" in found["champion"].message
    assert "backup" in found["champion"].remedy


def test_missing_weights_fail(run_doctor: Examine, shop: Shop) -> None:
    key = f"models/{shop.model_hash}/weights.safetensors"
    whole = shop.connections.models.get(key)
    shop.connections.models.delete(key)
    try:
        found = run_doctor()
    finally:
        shop.connections.models.put(key, whole)
    assert failures(found) == ["champion"]
    assert "ObjectNotFound" not in found["champion"].message
    assert "NoSuchKey" in found["champion"].message


def test_champion_without_usable_scores_fails(
    run_doctor: Examine, shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    version = add_altered_version(shop, champion_folder, tmp_path, spoil="constant")
    registry.promote(version, engine=shop.connections.engine, by="test", reason="test")
    found = run_doctor()
    assert failures(found) == ["champion"]
    assert "the same scores for every picture" in found["champion"].message


def test_invalid_policy_fails(run_doctor: Examine, shop: Shop, tmp_path: Path) -> None:
    raw = yaml.safe_load(shop.settings.policy_file.read_text(encoding="utf-8"))
    found = run_doctor(policy_file=write_policy(tmp_path / "p", raw, pass_confidence=7))
    assert failures(found) == ["policy"]
    assert "pass_confidence" in found["policy"].message


def test_teacher_is_checked_where_the_policy_asks_for_a_distillation(
    run_doctor: Examine, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_doctor()["teacher"].state is CheckStatus.SKIPPED
    raw = yaml.safe_load(shop.settings.policy_file.read_text(encoding="utf-8"))
    raw["retraining"]["distillation"] = {"enabled": True}
    asked = write_policy(tmp_path / "p", raw)
    assert run_doctor(policy_file=asked)["teacher"].state is CheckStatus.OK
    other = dataclasses.replace(networks.EFFICIENTNET_LITE0, sha256="0" * 64)
    monkeypatch.setattr(networks, "EFFICIENTNET_LITE0", other)
    found = run_doctor(policy_file=asked)
    assert failures(found) == ["teacher"]
    assert "`teacher`" in found["teacher"].remedy


def test_signal_of_the_policy_is_fetched_from_the_bucket_and_checked(
    run_doctor: Examine, shop: Shop, tmp_path: Path
) -> None:
    glare = install_signal(shop, brightness(), bright=0.6)
    signalling = with_signals(shop, tmp_path, glare=glare)
    found = run_doctor(policy_file=signalling.settings.policy_file)["signals"]
    assert (found.state, found.message) == (CheckStatus.OK, "signal:glare: brightness")
    missing = with_signals(shop, tmp_path, glare=glare | {"model": "0" * 64})
    found = run_doctor(policy_file=missing.settings.policy_file)["signals"]
    assert found.state is CheckStatus.FAILED
    assert "screens.signals.glare: no signal 000000" in found.message
    assert "docs/signals.md" in found.remedy


def test_policy_of_other_classes_fails(run_doctor: Examine, tmp_path: Path) -> None:
    other = policy(qr=None, weapon=None).model_dump(mode="json")
    found = run_doctor(policy_file=write_policy(tmp_path / "p", other))
    assert failures(found) == ["champion's classes"]
    assert "weapon" in found["champion's classes"].message
