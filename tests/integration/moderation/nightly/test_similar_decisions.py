"""What reviewers decided counts from the next night on, by the features of their photos."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.remember_decisions import remember_decisions
from ml.moderation.nightly.replay import replay
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.pipeline.similar_decisions import MIN_PHOTOS
from ml.storage import photo_features
from ml.storage.database import in_transaction
from ml.storage.photo_cache import cache_photo
from ml.storage.photo_features import PhotoSummary
from ml.storage.purge import mark_photos_deleted
from tests.support.decided_photos import (
    ENOUGH,
    LAST_WEEK,
    RULE,
    decide_bright_photos,
    promote_altered,
    with_rule,
)
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.policies import with_screens
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

SUMMARY = PhotoSummary(np.ones(4, np.float16), b"a file")


@pytest.fixture
def screened(shop: Shop, champion_folder: Path, tmp_path: Path) -> Shop:
    """The shop with both screens and a champion that has a rule; all photos are familiar."""
    return with_rule(shop, champion_folder, tmp_path)


def verdicts(shop: Shop) -> dict[str, tuple[str, list[str]]]:
    """Decision and reasons by key."""
    rows = shop.rows("select object_key, decision, reasons from moderation.audit_result")
    prefix = shop.settings.photo_prefix
    return {str(key).removeprefix(prefix): (str(d), list(r)) for key, d, r in rows}  # type: ignore[call-overload]


def remember(shop: Shop, run_id: str = "night") -> dict[str, int]:
    """Begin a run, and compute what is missing."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    preflight(run_id, shop.window, **parts)
    return remember_decisions(run_id, **parts)


def test_photo_like_those_that_were_blocked_goes_to_review_and_is_replayed(screened: Shop) -> None:
    decide_bright_photos(screened)
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    screened.upload("dark.jpg", photo(DARK, seed=2))
    run_nightly(screened)
    found = verdicts(screened)
    assert found["new.jpg"] == ("review", ["similar_violation:violate"])
    assert found["dark.jpg"] == ("review", ["violation:violate", "similar_violation:violate"])
    [(screens,)] = screened.rows(
        "select screens from moderation.audit_result where object_key like '%new.jpg'"
    )
    photos = screens["similar_decisions"]["evidence"]["photos"]  # type: ignore[index]  # an object
    assert {p["label"] for p in photos} == {"violate"}
    result = replay("night", settings=screened.settings, connections=screened.connections)
    assert (result.photos, result.equal) == (2, 2)


def test_photo_that_reviewers_pass_stays_a_pass(screened: Shop) -> None:
    decide_bright_photos(screened, label="normal")
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    run_nightly(screened)
    assert verdicts(screened)["new.jpg"] == ("pass", ["confident_normal"])


def test_screen_never_lets_a_photo_pass(screened: Shop) -> None:
    """Dark photos that reviewers called normal do not make the next one pass."""
    dark = [archive_photo(screened, photo(DARK, seed=3000 + i)) for i in range(2 * ENOUGH)]
    label_photos(screened, dark, "normal", at=LAST_WEEK)
    screened.upload("dark.jpg", photo(DARK, seed=2))
    run_nightly(screened)
    assert verdicts(screened)["dark.jpg"] == ("review", ["violation:violate"])


def test_undone_labels_count_no_more_in_the_next_run(screened: Shop) -> None:
    decide_bright_photos(screened)
    screened.upload("one.jpg", photo(BRIGHT, seed=1))
    run_nightly(screened)
    screened.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'ann' from moderation.human_label where label = 'violate'"
    )
    screened.upload("two.jpg", photo(BRIGHT, seed=7))
    run_nightly(screened, "again")
    assert verdicts(screened)["two.jpg"] == ("pass", ["confident_normal"])


def test_label_that_is_undone_during_the_run_still_counts_in_it(screened: Shop) -> None:
    decide_bright_photos(screened)
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    shards = start_run(screened)
    screened.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'ann' from moderation.human_label"
    )
    for shard in shards:
        score_shard(shard, settings=screened.settings, connections=screened.connections)
    finish_run(screened)
    assert verdicts(screened)["new.jpg"] == ("review", ["similar_violation:violate"])


def test_label_that_is_given_during_the_run_counts_in_the_next_one(screened: Shop) -> None:
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    shards = start_run(screened)
    bright = [archive_photo(screened, photo(BRIGHT, seed=1000 + i)) for i in range(ENOUGH)]
    label_photos(screened, bright, "violate", at=datetime.now(UTC))
    for shard in shards:
        score_shard(shard, settings=screened.settings, connections=screened.connections)
    finish_run(screened)
    assert verdicts(screened)["new.jpg"] == ("pass", ["confident_normal"])


def test_unfamiliar_photo_comes_first(
    screened: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    promote_altered(
        screened, champion_folder, tmp_path / "strict", memory=None, min_similarity=1.01
    )
    decide_bright_photos(screened, label="normal")
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    screened.upload("dark.jpg", photo(DARK, seed=2))
    run_nightly(screened)
    found = verdicts(screened)
    assert found["new.jpg"] == ("review", ["unfamiliar"])
    assert found["dark.jpg"] == ("review", ["violation:violate", "unfamiliar"])
    priorities = {p for (p,) in screened.rows("select priority from moderation.review_task")}
    assert priorities == {1.0}


def test_few_decided_photos_say_nothing(screened: Shop) -> None:
    few = [archive_photo(screened, photo(BRIGHT, seed=1000 + i)) for i in range(MIN_PHOTOS - 1)]
    label_photos(screened, few, "violate", at=LAST_WEEK)
    screened.upload("new.jpg", photo(BRIGHT, seed=1))
    run_nightly(screened)
    assert verdicts(screened)["new.jpg"] == ("pass", ["confident_normal"])


def test_features_are_computed_once_and_again_for_another_network(
    screened: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    decide_bright_photos(screened)
    assert remember(screened)["computed"] == 2 * ENOUGH
    assert remember(screened, "again")["computed"] == 0
    # Another head on the same network needs no other features.
    promote_altered(screened, champion_folder, tmp_path / "same", memory=RULE.model_dump(), seed=99)
    assert remember(screened, "other head")["computed"] == 0
    promote_altered(
        screened, champion_folder, tmp_path / "other", spoil="layer", memory=RULE.model_dump()
    )
    assert remember(screened, "other network")["computed"] == 2 * ENOUGH


def test_killed_step_goes_on_where_it_was(screened: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    decide_bright_photos(screened)
    monkeypatch.setattr("ml.moderation.nightly.remember_decisions.COMMIT_PHOTOS", 16)
    write = photo_features.write
    calls = iter(range(10))

    def write_twice(*arguments: object) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(photo_features, "write", write_twice)
    with pytest.raises(KeyboardInterrupt):
        remember(screened)
    monkeypatch.setattr(photo_features, "write", write)
    assert remember(screened)["computed"] == 2 * ENOUGH - 32


def test_photo_that_cannot_be_decoded_is_tried_once_and_an_absent_one_again(
    screened: Shop,
) -> None:
    contents = decide_bright_photos(screened)
    damaged = cache_photo(screened.connections.models, b"no photo")
    label_photos(screened, [damaged], "violate", at=LAST_WEEK)
    name = f"labelled/{contents[0]}"
    whole = screened.connections.models.get(name)
    screened.connections.models.delete(name)
    assert remember(screened) == {"computed": 2 * ENOUGH - 1, "unreadable": 1, "absent": 1}
    assert remember(screened, "again") == {"computed": 0, "unreadable": 0, "absent": 1}
    screened.connections.models.put(name, whole)
    assert remember(screened, "restored") == {"computed": 1, "unreadable": 0, "absent": 0}


def test_nothing_is_computed_where_the_model_has_no_rule(shop: Shop, tmp_path: Path) -> None:
    policy = with_screens(tmp_path, spot_check={}, similar_decisions={}, unfamiliar={})
    shop = replace(shop, settings=shop.settings.model_copy(update={"policy_file": policy}))
    decide_bright_photos(shop)
    assert remember(shop)["computed"] == 0


def test_features_of_a_deleted_photo_are_deleted(screened: Shop) -> None:
    contents = decide_bright_photos(screened)
    remember(screened)
    engine = screened.connections.engine
    in_transaction(engine, mark_photos_deleted, contents[:3], datetime.now(UTC))
    assert remember(screened, "again")["computed"] == 0
    [(left,)] = screened.rows("select count(*) from moderation.photo_feature")
    [(pictures,)] = screened.rows("select count(*) from moderation.photo_picture")
    assert left == pictures == 2 * ENOUGH - 3


def test_features_that_are_written_while_the_photo_is_deleted_do_not_stay(screened: Shop) -> None:
    contents = decide_bright_photos(screened)
    engine = screened.connections.engine
    in_transaction(engine, mark_photos_deleted, contents[:1], datetime.now(UTC))
    read_before = dict.fromkeys(contents[:2], SUMMARY)
    in_transaction(engine, photo_features.write, "network", read_before)
    for table in ("photo_feature", "photo_picture"):
        rows = screened.rows(f"select content_sha256 from moderation.{table}")  # noqa: S608 - a constant
        assert rows == [(contents[1],)]


def test_features_of_an_unused_network_and_of_old_decisions_are_deleted(
    screened: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = decide_bright_photos(screened)
    engine = screened.connections.engine
    found = dict.fromkeys(contents, SUMMARY)
    for source in ("now", "month before", "year before"):
        in_transaction(engine, photo_features.write, source, found)
    screened.execute(
        "update moderation.photo_feature set computed_at = now() - interval '1 year' "
        "where source = 'year before' or content_sha256 = :one",
        one=contents[0],
    )
    monkeypatch.setattr(photo_features, "MAX_PHOTOS", 5)
    monkeypatch.setattr(photo_features, "MAX_DELETED", 10)
    before = datetime.now(UTC)
    deleted = in_transaction(
        engine, lambda c: photo_features.delete_unused(c, "now", before=before)
    )
    left = dict(
        screened.rows("select source, count(*) from moderation.photo_feature group by source")  # type: ignore[arg-type]  # pairs
    )
    # Of the network in use go those beyond the newest, at most ten, the oldest first.
    assert left == {"now": ENOUGH - 10, "month before": ENOUGH}
    assert deleted == ENOUGH + 10
    [(pictures,)] = screened.rows("select count(*) from moderation.photo_picture")
    assert pictures == ENOUGH - 10


def test_pictures_that_no_features_choose_are_deleted(screened: Shop) -> None:
    contents = decide_bright_photos(screened)
    engine = screened.connections.engine
    found = dict.fromkeys(contents, SUMMARY)
    in_transaction(engine, photo_features.write, "year before", found)
    in_transaction(engine, photo_features.write, "now", dict.fromkeys(contents[:2], SUMMARY))
    screened.execute(
        "update moderation.photo_feature set computed_at = now() - interval '1 year' "
        "where source = 'year before'"
    )
    before = datetime.now(UTC)
    in_transaction(engine, lambda c: photo_features.delete_unused(c, "now", before=before))
    rows = screened.rows("select content_sha256 from moderation.photo_picture order by 1")
    assert rows == [(content,) for content in sorted(contents[:2])]
