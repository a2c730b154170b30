"""Spot check: sampled by content, unmarked, without effect until a reviewer decides."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from scipy.stats import binomtest
from sqlalchemy import Connection

from ml.moderation.nightly import write_back as write_back_step
from ml.moderation.nightly.sampled_tasks import open_sampled_tasks
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from ml.policy.spot_check import draw_sample
from ml.storage import write_back as storage_write_back
from ml.storage.audit_runs import AuditRun
from ml.storage.labels import resolve_labels
from ml.storage.leak_estimates import leak_of_a_year
from ml.storage.write_back import KeyRange
from ml.vision.images.fingerprint import content_hash
from tests.integration.moderation.nightly.screened import person_decides, task_of, with_policy
from tests.support.constant_model import promote_constant_model
from tests.support.nightly_run import dump_results, finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PASSED, DARKS = 24, 12
SHARE = 0.5


def uploads(shop: Shop) -> None:
    for n in range(PASSED):
        shop.upload(f"bright-{n:02}.jpg", photo(BRIGHT, seed=n))
    for n in range(DARKS):
        shop.upload(f"dark-{n:02}.jpg", photo(DARK, seed=100 + n))


def expected(shop: Shop, level: int, seeds: range, share: float) -> set[str]:
    """The contents that are sampled at this share."""
    [(key,)] = shop.rows("select key from moderation.sampling_key")
    assert isinstance(key, bytes)
    contents = {content_hash(photo(level, seed=seed)) for seed in seeds}
    return {content for content in contents if draw_sample(key, content).selection < share}


def audited(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows(
        "select content_sha256, reasons, kind, sampling_rate, state, priority, violation_score "
        "from moderation.review_task where route = 'spot_check' order by 1"
    )


@pytest.fixture
def audit(shop: Shop, tmp_path: Path) -> Shop:
    """Half of the passed and half of the blocked photos go to review, too."""
    audit = with_policy(shop, tmp_path, spot_check={"passed": SHARE, "blocked": SHARE})
    path = audit.settings.policy_file
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["classes"]["violate"] |= {"action": "block", "block_confidence": 0.9}
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return audit


def test_spot_check_samples_by_content_and_changes_no_verdict(audit: Shop) -> None:
    uploads(audit)
    audit.upload("bright-copy.jpg", photo(BRIGHT, seed=0))
    report = run_nightly(audit)
    passed = expected(audit, BRIGHT, range(PASSED), SHARE)
    blocked = expected(audit, DARK, range(100, 100 + DARKS), SHARE)
    tasks = audited(audit)
    assert {content for content, *_ in tasks} == passed | blocked
    assert len(tasks) == len(passed) + len(blocked)  # one task for all copies
    assert report["spot_check"] == {"passed": len(passed), "blocked": len(blocked)}
    assert report["verdicts"] == {"pass": PASSED + 1, "review": 0, "block": DARKS}
    statuses = dict(
        audit.rows("select moderation_status, count(*) from commerce.review_image group by 1")
    )
    assert statuses == {"pass": PASSED + 1, "block": DARKS}


def test_spot_check_task_looks_like_any_other_task(audit: Shop) -> None:
    uploads(audit)
    run_nightly(audit)
    passed = expected(audit, BRIGHT, range(PASSED), SHARE)
    for content, reasons, kind, rate, state, priority, score in audited(audit):
        assert reasons == ["spot_check"]
        assert (kind, rate, state) == ("verdict", SHARE, "open")
        assert isinstance(priority, float)
        assert 0.3 - 1e-9 <= priority <= 1.0
        assert isinstance(score, float)
        assert score < 0.3 if content in passed else score >= 0.9


def test_repeated_write_back_samples_no_more_photos(audit: Shop) -> None:
    uploads(audit)
    run_nightly(audit)
    before = dump_results(audit), audited(audit)
    parts = {"settings": audit.settings, "connections": audit.connections}
    assert write_back("night", **parts) == {"rows_changed": 0, "tasks_opened": 0}
    finish_run(audit)
    run_nightly(audit, "again")
    assert (dump_results(audit), audited(audit)) == before


def test_spot_check_without_a_share_samples_nothing(
    audit: Shop,
) -> None:
    uploads(audit)
    run_nightly(audit)
    drawn = dump_results(audit)
    raw = yaml.safe_load(audit.settings.policy_file.read_text(encoding="utf-8"))
    raw["spot_check"] = {}
    audit.settings.policy_file.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    for table in ("review_task", "quarantine", "audit_shard", "audit_image", "verdict", "image"):
        audit.execute(f"delete from moderation.{table}")  # noqa: S608 - names of this file
    audit.execute("update commerce.review_image set moderation_status = 'pending'")
    run_nightly(audit, "without")
    plain = dump_results(audit)
    assert audited(audit) == []
    assert (plain["verdict"], plain["commerce"]) == (drawn["verdict"], drawn["commerce"])


def test_spot_check_label_is_weighted_by_its_share_and_gives_the_leak_rate(audit: Shop) -> None:
    uploads(audit)
    run_nightly(audit)
    passed = sorted(expected(audit, BRIGHT, range(PASSED), SHARE))
    tasks = dict(
        audit.rows(
            "select content_sha256, task_id from moderation.review_task where route is not null"
        )
    )
    for number, content in enumerate(passed[:-1]):  # one is not reviewed yet
        task_id = tasks[content]
        assert isinstance(task_id, int)
        person_decides(audit, task_id, "violate" if number == 0 else "normal")
    leaked = audit.rows(
        "select moderation_status from commerce.review_image r join moderation.image i "
        "using (object_key) where i.content_sha256 = :c",
        c=passed[0],
    )
    assert leaked == [("block",)]
    for truth in resolve_labels(audit.connections.engine.connect(), as_of=datetime.now(UTC)):
        assert (truth.route, truth.sampling_rate) == ("spot_check", SHARE)
    report = finish_run(audit)
    answered = len(passed) - 1
    exact = binomtest(1, answered).proportion_ci(0.95, method="exact")
    found = {(e["decision"], e["class"]): e for e in report["leak"]}
    for name in ("", "violate"):
        estimate = found["pass", name]
        assert (estimate["sampled"], estimate["reviewed"], estimate["violations"]) == (
            len(passed), answered, 1
        )  # fmt: skip
        assert estimate["rate"] == 1 / answered
        assert (estimate["low"], estimate["high"]) == pytest.approx((exact.low, exact.high))
    assert found["block", ""]["reviewed"] == 0
    assert found["block", ""]["rate"] is None
    # A repeated report changes nothing; a later month includes this one.
    assert finish_run(audit)["leak"] == report["leak"]
    today = datetime.now(ZoneInfo(audit.settings.timezone)).date()
    with audit.connections.engine.begin() as connection:
        later = leak_of_a_year(connection, until=today.isoformat())
    assert later == report["leak"]


def test_photos_with_a_reused_decision_are_not_sampled(shop: Shop, tmp_path: Path) -> None:
    audit = with_policy(shop, tmp_path, spot_check={"passed": SHARE}, duplicates={})
    first = audit.upload("first.jpg", photo(DARK, seed=1))
    run_nightly(audit)
    task_id = task_of(audit, first)[0]
    assert isinstance(task_id, int)
    person_decides(audit, task_id, "normal")
    for n in range(8):
        audit.upload(f"copy-{n}.jpg", photo(DARK, seed=1))
    run_nightly(audit, "next")
    assert audited(audit) == []


def test_class_priority_moves_its_photos_up(shop: Shop, tmp_path: Path) -> None:
    moved = with_policy(shop, tmp_path)
    path = moved.settings.policy_file
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["classes"]["violate"]["priority"] = 3
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    key = moved.upload("dark.jpg", photo(DARK))
    run_nightly(moved)
    _, _, priority, route, rate, score = task_of(moved, key)
    assert isinstance(score, float)
    assert priority == pytest.approx(4 * score)
    assert (route, rate) == (None, 1.0)


@pytest.mark.parametrize("ranges_done", [0, 1, 3])
def test_run_killed_between_its_writes_samples_the_same_photos(
    audit: Shop, monkeypatch: pytest.MonkeyPatch, ranges_done: int
) -> None:
    """`uploads` makes 36 photos: five ranges, of which some commit before the kill."""
    uploads(audit)
    audit.upload("zz-copy.jpg", photo(BRIGHT, seed=0))
    for shard in start_run(audit):
        score_shard(shard, settings=audit.settings, connections=audit.connections)
    monkeypatch.setattr(storage_write_back, "IMAGES_PER_RANGE", 8)
    calls = iter(range(100))

    def killed(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
        done = open_sampled_tasks(connection, run, keys)
        if next(calls) == ranges_done:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(write_back_step, "open_sampled_tasks", killed)
        with pytest.raises(KeyboardInterrupt):
            finish_run(audit)
    before = audited(audit)
    report = finish_run(audit)
    tasks = audited(audit)
    passed = expected(audit, BRIGHT, range(PASSED), SHARE)
    blocked = expected(audit, DARK, range(100, 100 + DARKS), SHARE)
    assert sorted(content for content, *_ in tasks) == sorted(passed | blocked)
    assert [task for task in tasks if task in before] == before
    assert len(before) < len(tasks)
    assert report["spot_check"] == {"passed": len(passed), "blocked": len(blocked)}


def test_later_run_does_not_sample_the_same_contents_again(audit: Shop) -> None:
    uploads(audit)
    run_nightly(audit)
    before = audited(audit)
    for n in range(PASSED):
        audit.upload(f"again-{n:02}.jpg", photo(BRIGHT, seed=n))
    report = run_nightly(audit, "next")
    assert report["verdicts"]["pass"] == 2 * PASSED
    assert audited(audit) == before
    assert report["spot_check"] == {"passed": 0, "blocked": 0}


def test_photo_with_an_open_task_is_not_counted_as_sampled(
    audit: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    promote_constant_model(audit, champion_folder, tmp_path / "asks", violation=0.6)
    uploads(audit)
    run_nightly(audit)
    promote_constant_model(audit, champion_folder, tmp_path / "passes", violation=0.01)
    report = run_nightly(audit, "next")
    assert report["verdicts"]["pass"] == PASSED + DARKS
    assert audited(audit) == []
    parts = {"settings": audit.settings, "connections": audit.connections}
    assert write_back("next", **parts) == {"rows_changed": 0, "tasks_opened": 0}
