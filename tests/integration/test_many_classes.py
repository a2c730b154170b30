"""Three classes, and seven: from a folder to a promoted month without a line of code changed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml.core.settings import Settings
from ml.learning.retrain.promote import promote_candidate
from ml.models import registry
from ml.models.card import Calibration, Thresholds
from ml.models.training.train import train
from ml.policy.schema import Policy, load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.queue import claim_tasks
from ml.review.second_review import open_follow_ups
from ml.storage.database import in_transaction
from ml.storage.review_queue import ClaimedTask
from ml.vision.images.open_photo import DecodeLimits
from tests.integration.learning.retrain.month import LEARNS, run_month
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.support.colour_photos import class_photo, class_photo_folder
from tests.support.nightly_run import run_nightly
from tests.support.policies import write_policy
from tests.support.servers import Shop
from tests.support.versions import add_altered_version
from tests.unit.models.training.pictures import tiny_preset

pytestmark = [pytest.mark.integration, pytest.mark.slow]

THREE = ["normal", "ad", "weapon"]
SEVEN = [*THREE, "qr", "text", "fire", "gore"]
# Of each class: `weapon` is blocked, `ad` is shown blurred and comes first.
BLOCKED, FIRST = "weapon", "ad"
PHOTOS, NORMAL_PHOTOS, BLOCKED_PHOTOS = 16, 60, 24
TUNES = LEARNS | {"optimizer": {"kind": "adamw", "lr": 0.0001, "weight_decay": 0.05}, "epochs": 2}
SHARE = 0.5  # of the random audit; its lots are fixed below, so that the counts are


def policy_file(folder: Path, classes: list[str]) -> Path:
    def section(name: str) -> dict[str, object]:
        found: dict[str, object] = {
            "violation": name != "normal",
            "title": {"en": name, "zh": name},
        }
        if name == BLOCKED:
            return {**found, "action": "block", "block_confidence": 0.6}
        if name == FIRST:
            return {**found, "action": "review", "blur": True, "priority": 10}
        return found if name == "normal" else {**found, "action": "review"}

    floors = {name: 0.5 for name in classes if name != "normal"}
    raw: dict[str, Any] = {
        "classes": {name: section(name) for name in classes},
        "pass_confidence": 0.7,
        "prices": {"manual_yuan_per_photo": 0.2, "machine_yuan_per_hour": 8.0},
        "screens": {"duplicates": {"enabled": True}},
        "spot_check": {"passed": SHARE, "blocked": SHARE},
        "retraining": {
            "min_new_labels": 50,
            "leak_bound": {"rate": 0.6, "confidence": 0.8},
            "gates": {"recall_floor": floors, "latency_ratio": 1000.0, "calibration_error": 0.3},
        },
    }
    return write_policy(folder, raw)


def train_first(shop: Shop, policy: Policy, folder: Path, classes: list[str]) -> str:
    """Train on a folder, as `ml train` does, and make the version champion.

    Its card says that it is unsure and lets next to nothing pass: a month can do better.
    """
    data = class_photo_folder(folder / "data", classes, photos=20)
    trained = train(
        data,
        preset=tiny_preset(**LEARNS),
        policy=policy,
        out=folder / "sure",
        pretrained_weights="none",
        device="cpu",
        seed=1,
        limits=DecodeLimits(),
    ).card
    sureness = 2.0 * trained.calibration.temperature
    card = {
        "calibration": Calibration(temperature=sureness, fitted_on=0),
        "thresholds": Thresholds(pass_confidence=1.0, source="test"),
    }
    champion = add_altered_version(shop, folder / "sure", folder / "shy", **card)
    registry.promote(champion, engine=shop.connections.engine, by="test", reason="test")
    return champion


def upload_month(shop: Shop, classes: list[str], *, first: int = 0) -> dict[str, str]:
    """Upload photos of each class, each of a review of its own; returns key -> class."""
    counts = {"normal": NORMAL_PHOTOS, BLOCKED: BLOCKED_PHOTOS}
    truth = {
        shop.upload(f"{seed:03}-{name}.jpg", class_photo(number, seed=seed), row=False): name
        for number, name in enumerate(classes)
        for seed in range(first, first + counts.get(name, PHOTOS))
    }
    for number, key in enumerate(truth):
        shop.add_row(key, review=first + number)
    return truth


def work_through(shop: Shop, policy: Policy, truth: dict[str, str]) -> list[ClaimedTask]:
    """Claim and decide until nothing waits, as the page does; the tasks in their order."""
    done: list[ClaimedTask] = []
    engine, commerce = shop.connections.engine, shop.connections.commerce

    def taken() -> list[ClaimedTask]:
        asked = {"reviewer": "ann", "count": 20, "lease_seconds": 300.0}
        return in_transaction(engine, lambda c: claim_tasks(c, commerce=commerce, **asked))

    while tasks := taken():
        for task in tasks:
            said = ReviewerDecision(task.task_id, truth[task.object_key], "ann")
            with engine.begin() as connection:
                names = shop.settings.commerce
                parts = {"policy": policy, "commerce": commerce, "names": names}
                decide_task(connection, said, **parts, lease_holder="ann")
                open_follow_ups(connection, said.task_id, policy=policy)
        done += tasks
    return done


def statuses(shop: Shop, truth: dict[str, str]) -> dict[str, Counter[object]]:
    """Class -> how many of its photos show each status."""
    found: dict[str, Counter[object]] = {}
    for key, name in truth.items():
        found.setdefault(name, Counter())[shop.status(key)] += 1
    return found


def mostly(counts: Counter[object], status: str) -> bool:
    return counts[status] > 0.8 * counts.total()


def learn(shop: Shop, settings: Settings, folder: Path) -> str:
    """A month on what people said; its candidate holds every gate and is promoted."""
    as_of = datetime.now(UTC) + timedelta(minutes=1)
    preset = write_preset(folder, **TUNES)
    _, _, decision = run_month(shop, settings, preset, as_of=as_of)
    assert decision["decision"] == "promote", [g for g in decision["gates"] if not g["passed"]]
    parts = {"settings": settings, "connections": shop.connections}
    return promote_candidate("month", by="test", reason="gates held", **parts)


@pytest.mark.parametrize("classes", [THREE, SEVEN], ids=["three", "seven"])
def test_a_policy_of_many_classes_runs_the_whole_chain(
    shop: Shop, tmp_path: Path, classes: list[str]
) -> None:
    path = policy_file(tmp_path / "many", classes)
    many = replace(shop, settings=shop.settings.model_copy(update={"policy_file": path}))
    policy = load_policy(path)
    many.execute("update moderation.sampling_key set key = :key", key=b"k" * 32)
    first = train_first(many, policy, tmp_path / "first", classes)

    truth = upload_month(many, classes)
    report = run_nightly(many)
    assert (report["model_hash"], report["judged"]) == (first, len(truth))
    shown = statuses(many, truth)
    assert mostly(shown[BLOCKED], "block")
    for name in set(classes) - {BLOCKED}:
        assert mostly(shown[name], "review")
    assert all(counts["pass"] == 0 for name, counts in shown.items() if name != "normal")

    tasks = work_through(many, policy, truth)
    judged = [truth[t.object_key] for t in tasks if t.reasons != ("spot_check",)]
    assert set(judged[: shown[FIRST]["review"]]) == {FIRST}
    assert {truth[task.object_key] for task in tasks} == set(classes)
    assert statuses(many, truth) == {
        name: Counter({"pass" if name == "normal" else "block": counts.total()})
        for name, counts in shown.items()
    }

    second = learn(many, many.settings, tmp_path)
    champion = in_transaction(many.connections.engine, registry.champion_hash)
    assert first != second == champion
    fresh = upload_month(many, classes, first=500)
    report = run_nightly(many, "next")
    assert report["model_hash"] == second
    later = statuses(many, fresh)
    assert mostly(later["normal"], "pass")
    assert report["spot_check"]["passed"] > 0
    assert all(counts["pass"] == 0 for name, counts in later.items() if name != "normal")
