"""Passed photos that are drawn for what their labels teach."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ml.moderation.nightly.write_back import write_back
from ml.policy.active_learning import PassedPhoto, choose_route, learning_rates
from ml.policy.spot_check import draw_sample
from ml.storage.labels import resolve_labels
from ml.vision.images.duplicate_groups import near_duplicate_groups
from tests.integration.moderation.nightly.screened import person_decides, with_policy
from tests.support.nightly_run import dump_results, finish_run, run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PASSED, DARKS = 60, 6
SPOT_CHECK, SHARE = 0.2, 0.1
TASKS = (
    "select content_sha256, route, sampling_rate, reasons, kind, state, priority "
    "from moderation.review_task where route is not null order by 1"
)


@pytest.fixture
def learner(shop: Shop, tmp_path: Path) -> Shop:
    """A shop that reviews a fifth of the passed photos, and about a tenth to learn from."""
    checked = with_policy(shop, tmp_path, spot_check={"passed": SPOT_CHECK})
    for n in range(PASSED):
        checked.upload(f"bright-{n:02}.jpg", photo(BRIGHT, seed=n))
    for n in range(DARKS):
        checked.upload(f"dark-{n:02}.jpg", photo(DARK, seed=100 + n))
    return set_share(checked, SHARE)


def set_share(shop: Shop, share: float, spot_check: float = SPOT_CHECK) -> Shop:
    path = shop.settings.policy_file
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw |= {"active_learning": {"share": share}, "spot_check": {"passed": spot_check}}
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return shop


def drawn_by(shop: Shop, route: str) -> set[object]:
    return {row[0] for row in shop.rows(TASKS) if row[1] == route}


def expected(shop: Shop) -> dict[str, tuple[str, float]]:
    """Route and rate of each content that the rule draws, from the rows of the verdicts."""
    [(key,)] = shop.rows("select key from moderation.sampling_key")
    assert isinstance(key, bytes)
    rows = shop.rows(
        "select distinct on (content_sha256) content_sha256, violation_score, pass_confidence, "
        "pdq, pdq_quality from moderation.verdict join moderation.image i using (content_sha256) "
        "where decision = 'pass' order by content_sha256"
    )
    groups = near_duplicate_groups([str(row[3]) for row in rows], [int(str(r[4])) for r in rows])
    photos = [
        PassedPhoto(float(str(row[1])), float(str(row[2])), None, None, group)
        for row, group in zip(rows, groups, strict=True)
    ]
    found = {}
    for row, rate in zip(rows, learning_rates(photos, SHARE), strict=True):
        sample = draw_sample(key, str(row[0]))
        route = choose_route(sample, spot_check_share=SPOT_CHECK, rate=rate)
        if route is not None:
            found[str(row[0])] = (route, SPOT_CHECK + rate)
    return found


def test_photos_are_drawn_with_recorded_rates_and_look_like_any_other_task(learner: Shop) -> None:
    learner.upload("bright-copy.jpg", photo(BRIGHT, seed=0))
    report = run_nightly(learner)
    rule = expected(learner)
    tasks = learner.rows(TASKS)
    assert {str(row[0]): row[1] for row in tasks} == {c: route for c, (route, _) in rule.items()}
    for content, route, rate, reasons, kind, state, priority in tasks:
        assert rate == pytest.approx(rule[str(content)][1])
        assert (reasons, kind, state) == ([route], "verdict", "open")
        assert 0.3 - 1e-9 <= float(str(priority)) <= 1.0
    learned = drawn_by(learner, "active_learning")
    assert learned
    assert report["active_learning"] == len(learned)
    assert report["spot_check"] == {"passed": len(tasks) - len(learned), "blocked": 0}
    assert report["verdicts"] == {"pass": PASSED + 1, "review": DARKS, "block": 0}
    assert report["yuan"]["review"] == pytest.approx(0.2 * (DARKS + len(tasks)))


def test_repeated_run_draws_no_more_photos(learner: Shop) -> None:
    run_nightly(learner)
    before = dump_results(learner), learner.rows(TASKS)
    parts = {"settings": learner.settings, "connections": learner.connections}
    assert write_back("night", **parts) == {"rows_changed": 0, "tasks_opened": 0}
    finish_run(learner)
    for n in range(PASSED):  # the same contents, under other keys
        learner.upload(f"again-{n:02}.jpg", photo(BRIGHT, seed=n))
    report = run_nightly(learner, "next")
    assert report["active_learning"] == 0
    assert learner.rows(TASKS) == before[1]


def test_no_photo_is_lost_to_a_spot_check_that_is_raised_later(learner: Shop) -> None:
    run_nightly(learner)
    learned, checked = (drawn_by(learner, name) for name in ("active_learning", "spot_check"))
    [(key,)] = learner.rows("select key from moderation.sampling_key")
    assert isinstance(key, bytes)
    for n in range(PASSED):
        learner.upload(f"again-{n:02}.jpg", photo(BRIGHT, seed=n))
    run_nightly(set_share(learner, 0.0, spot_check=0.5), "next")
    contents = {str(r[0]) for r in learner.rows(
        "select content_sha256 from moderation.verdict where decision = 'pass'")}  # fmt: skip
    half = {content for content in contents if draw_sample(key, content).selection < 0.5}
    assert drawn_by(learner, "spot_check") == half
    assert checked < half
    assert drawn_by(learner, "active_learning") == learned
    assert not learned & half


def test_labels_have_the_route_and_leave_the_leak_rate_to_the_spot_check(learner: Shop) -> None:
    run_nightly(learner)
    tasks = learner.rows(
        "select content_sha256, task_id, route, sampling_rate from moderation.review_task "
        "where route is not null"
    )
    for _, task_id, route, _ in tasks:
        assert isinstance(task_id, int)
        person_decides(learner, task_id, "violate" if route == "active_learning" else "normal")
    with learner.connections.engine.connect() as connection:
        labels = resolve_labels(connection, as_of=datetime.now(UTC))
    assert {(label.content_sha256, label.route, label.sampling_rate) for label in labels} == {
        (content, route, rate) for content, _, route, rate in tasks
    }
    report = finish_run(learner)
    [leak] = [e for e in report["leak"] if (e["decision"], e["class"]) == ("pass", "")]
    checked = drawn_by(learner, "spot_check")
    assert (leak["sampled"], leak["reviewed"], leak["violations"]) == (len(checked),) * 2 + (0,)


def test_values_of_similar_photos_decide(learner: Shop) -> None:
    """The recorded comparison with decided photos counts; rates follow from the rows alone."""
    run_nightly(learner)
    [(key,)] = learner.rows("select key from moderation.sampling_key")
    assert isinstance(key, bytes)
    contents = [str(r[0]) for r in learner.rows(
        "select content_sha256 from moderation.verdict where decision = 'pass'")]  # fmt: skip
    # One that no draw has reached so far, and that a high rate draws.
    reached = drawn_by(learner, "active_learning")
    [unlike, *_] = sorted(
        (c for c in contents if c not in reached and draw_sample(key, c).selection > 0.6),
        key=lambda c: -draw_sample(key, c).selection,
    )
    for content in contents:
        screens = {
            "similar_decisions": {"value": 0.9 if content == unlike else 0.0},
            "unfamiliar": {"value": 0.1 if content == unlike else 0.9},
        }
        learner.execute(
            "update moderation.verdict set screens = cast(:s as jsonb) where content_sha256 = :c",
            s=json.dumps(screens), c=content,
        )  # fmt: skip
    parts = {"settings": learner.settings, "connections": learner.connections}
    write_back("night", **parts)
    assert unlike in drawn_by(learner, "active_learning")
