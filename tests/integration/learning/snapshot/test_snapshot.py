import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ml.core.errors import NotEnoughLabels, TrainingError
from ml.core.manifest import Confirmation, Manifest, Split
from ml.learning.snapshot import snapshot as freezing
from ml.learning.snapshot.golden_set import lineage
from ml.models import registry
from ml.models.card import PretrainedWeights, read_card
from ml.models.checkpoint import CARD, save_card
from ml.models.training.folds import FOLDS
from ml.models.training_manifest import TRAINING_MANIFEST
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.snapshots import get_golden
from tests.support.champion import make_champion
from tests.support.labelled_photos import (
    DECIDED,
    answer_golden_task,
    archive_photo,
    label_photos,
    with_retraining,
)
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

NOVEMBER = datetime(2026, 11, 1, 4, tzinfo=timezone(timedelta(hours=8)))
DECEMBER = datetime(2026, 12, 1, 4, tzinfo=timezone(timedelta(hours=8)))


class Month:
    """Creates snapshots under a policy that requires few labels."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.settings = with_retraining(shop.settings, folder, min_new_labels=10, golden_share=0.2)

    def freeze(self, run_id: str = "run", as_of: datetime = NOVEMBER, seed: int = 0) -> Manifest:
        """Run the step."""
        return freezing.create_snapshot(
            run_id, as_of=as_of, preset="monthly", seed=seed, settings=self.settings,
            connections=self.shop.connections,
        )  # fmt: skip

    def photos(self, level: int, seeds: range, name: str, at: datetime = DECIDED) -> list[str]:
        """Archive and label photos without near duplicates."""
        contents = [archive_photo(self.shop, photo(level, seed=seed)) for seed in seeds]
        label_photos(self.shop, contents, name, at=at)
        return contents

    def both(self, start: int, photos: int, at: datetime = DECIDED) -> list[str]:
        """Half of them normal, half violations."""
        middle, end = start + photos // 2, start + photos
        return [
            *self.photos(BRIGHT, range(start, middle), "normal", at),
            *self.photos(DARK, range(middle, end), "violate", at),
        ]


def golden_photos(manifest: Manifest) -> set[str]:
    return {p.content_sha256 for p in manifest.photos_in(Split.GOLDEN)}


@pytest.fixture
def month(shop: Shop, tmp_path: Path) -> Month:
    return Month(shop, tmp_path)


def rows(month: Month) -> list[tuple[object, ...]]:
    """All rows of a snapshot, without times."""
    return [
        *month.shop.rows("select snapshot_hash, golden_hash, photos, new_photos, as_of "
                         "from moderation.label_snapshot order by 1"),
        *month.shop.rows("select golden_hash, name, parent_hash, photos, added "
                         "from moderation.golden_set order by 1"),
        *month.shop.rows("select run_id, snapshot_hash, state from moderation.retrain_run "
                         "order by 1"),
    ]  # fmt: skip


def test_labels_become_a_snapshot_with_a_golden_set(month: Month) -> None:
    contents = month.both(0, 40)
    manifest = month.freeze()
    assert [p.content_sha256 for p in manifest.photos] == sorted(contents)
    assert {p.label for p in manifest.photos_in(Split.TRAIN)} == {"normal", "violate"}
    # Of each class 4 golden.
    assert [len(manifest.photos_in(part)) for part in Split] == [32, 8, 0, 0]
    assert {photo.fold for photo in manifest.photos_in(Split.TRAIN)} == set(range(FOLDS))
    assert {photo.fold for photo in manifest.photos_in(Split.GOLDEN)} == {None}
    assert all(photo.new and not photo.seen for photo in manifest.photos)
    golden = get_golden(month.shop.connections.models, manifest.golden_hash)
    assert (golden.name, golden.parent_hash) == ("golden-2026-11", None)
    assert {p.content_sha256 for p in golden.photos} == golden_photos(manifest)
    found = manifest.snapshot_hash
    assert rows(month) == [
        (found, manifest.golden_hash, 40, 40, NOVEMBER),
        (manifest.golden_hash, "golden-2026-11", None, 8, 8),
        ("run", found, "running"),
    ]
    run = in_transaction(month.shop.connections.engine, lambda c: retrain_runs.load(c, "run"))
    assert (run.champion_hash, run.preset, run.seed) == (month.shop.model_hash, "monthly", 0)


def test_same_labels_give_the_same_bytes_in_any_time_zone(month: Month) -> None:
    month.both(0, 40)
    first = month.freeze()
    assert month.freeze("again", NOVEMBER.astimezone(UTC)).to_json() == first.to_json()
    assert month.freeze("other", seed=1).to_json() != first.to_json()
    # Nor does the zone count that the database answers in.
    month.shop.execute(
        "do $$ begin execute format('alter database %I set timezone to ''Asia/Shanghai''', "
        "current_database()); end $$"
    )
    month.shop.connections.engine.dispose()
    assert month.freeze("elsewhere").to_json() == first.to_json()


def test_retry_returns_the_snapshot_of_the_run(month: Month) -> None:
    month.both(0, 40)
    first, before = month.freeze(), rows(month)
    month.both(100, 20)  # imported late, decided before
    assert month.freeze() == first
    assert rows(month) == before


class KilledError(Exception):
    """Simulates the end of the process."""


@pytest.mark.parametrize(
    "step", ["load_prior_usage", "archive_missing", "put_golden", "put_manifest", "write_rows"]
)
def test_retry_after_a_kill_ends_the_same(
    month: Month, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    month.both(0, 40)
    place = freezing.snapshots if step == "write_rows" else freezing
    name = "write_snapshot" if step == "write_rows" else step
    done: Callable[..., object] = getattr(place, name)

    def killed(*args: object, **named: object) -> None:
        done(*args, **named)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(place, name, killed)
        with pytest.raises(KilledError):
            month.freeze()
    assert rows(month) == [("run", None, "running")]
    retried = month.freeze()
    assert month.freeze("unbroken") == retried
    assert len(rows(month)) == 4  # one snapshot, one golden set, two runs


def test_run_with_too_few_new_labels_is_skipped(month: Month) -> None:
    month.both(0, 40)
    month.freeze()
    month.both(100, 8, at=NOVEMBER)
    for _ in range(2):
        with pytest.raises(NotEnoughLabels, match=r"8 new labels since .*at least 10 .*min_new"):
            month.freeze("next", DECEMBER)
        month.both(200, 20, at=NOVEMBER)  # imported late: for the next run
    state = "select state, snapshot_hash, reason like '8 new%%' from moderation.retrain_run"
    assert month.shop.rows(f"{state} where run_id = 'next'") == [("skipped", None, True)]
    assert len(month.shop.rows("select 1 from moderation.label_snapshot")) == 1


def test_golden_set_stays_grows_and_takes_new_labels(month: Month) -> None:
    month.both(0, 40)
    first = month.freeze()
    moved = min(golden_photos(first))
    old = next(p.label for p in first.photos if p.content_sha256 == moved)
    new = {"normal": "violate", "violate": "normal"}[old]
    label_photos(month.shop, [moved], new, at=NOVEMBER)  # she changes her mind
    fresh = month.both(100, 20, at=NOVEMBER)
    second = month.freeze("next", DECEMBER)

    assert golden_photos(first) < golden_photos(second)
    assert len(golden_photos(second) & set(fresh)) == 4
    assert {p.content_sha256 for p in second.photos if p.new} == {moved, *fresh}
    store = month.shop.connections.models
    sets = [get_golden(store, m.golden_hash) for m in (first, second)]
    assert [g.name for g in sets] == ["golden-2026-11", "golden-2026-12"]
    assert sets[1].parent_hash == first.golden_hash
    labels = [{p.content_sha256: (p.label, p.added_in) for p in g.photos} for g in sets]
    assert [found[moved] for found in labels] == [(old, sets[0].name), (new, sets[0].name)]
    # Whoever was trained on never becomes golden.
    assert not golden_photos(second) & {p.content_sha256 for p in first.photos_in(Split.TRAIN)}


def _confirmations(manifest: Manifest, contents: set[str]) -> set[Confirmation | None]:
    return {p.confirmation for p in manifest.photos if p.content_sha256 in contents}


@pytest.mark.parametrize(
    ("reviewers", "route", "first", "second"),
    [
        (("ann",), "uncertain", "one_look", "second_look"),
        (("import",), "import", "imported", "second_look"),
        (("ann", "bob"), "uncertain", "two_reviewers", "two_reviewers"),
    ],
)
def test_golden_labels_are_confirmed_as_of_the_snapshot(
    month: Month, reviewers: tuple[str, ...], route: str, first: str, second: str
) -> None:
    bright = [archive_photo(month.shop, photo(BRIGHT, seed=s)) for s in range(20)]
    dark = [archive_photo(month.shop, photo(DARK, seed=s)) for s in range(20, 40)]
    for reviewer in reviewers:
        label_photos(month.shop, bright, "normal", reviewer=reviewer, route=route)
        label_photos(month.shop, dark, "violate", reviewer=reviewer, route=route)
    manifest = month.freeze()
    golden = golden_photos(manifest)
    assert _confirmations(manifest, golden) == {first}
    assert {photo.confirmation for photo in manifest.photos_in(Split.TRAIN)} == {None}
    for content in golden:
        label = "normal" if content in bright else "violate"
        answer_golden_task(month.shop, content, label, at=NOVEMBER)
    assert month.freeze("again").to_json() == manifest.to_json()  # the answers are not before it
    month.both(100, 20, at=NOVEMBER)
    assert _confirmations(month.freeze("next", DECEMBER), golden) == {second}


def test_second_golden_set_of_a_month_is_numbered(month: Month) -> None:
    month.both(0, 40)
    month.freeze()
    month.both(100, 20, at=NOVEMBER)
    later = month.freeze("later", NOVEMBER + timedelta(days=9))
    golden = get_golden(month.shop.connections.models, later.golden_hash)
    assert golden.name == "golden-2026-11-2"


def test_near_duplicates_and_photos_of_one_review_are_in_one_split(month: Month) -> None:
    month.both(0, 40)
    party = [archive_photo(month.shop, photo(BRIGHT, seed=s), review="7") for s in range(50, 56)]
    copy = archive_photo(
        month.shop, photo(BRIGHT, seed=50, size=(64, 48)) + b"\0"
    )  # looks like the first
    label_photos(month.shop, [*party, copy], "normal")
    parts = {p.content_sha256: (p.part, p.fold) for p in month.freeze().photos}
    assert len({parts[c] for c in [*party, copy]}) == 1


def test_photos_in_a_group_with_a_golden_one_are_not_trained_on(month: Month) -> None:
    month.both(0, 40)
    first = month.freeze()
    golden, trained = min(golden_photos(first)), first.photos_in(Split.TRAIN)[0].content_sha256
    tie = "update moderation.archived_photo set review_id = '9' where content_sha256 = any(:c)"
    bridge, alone = month.both(100, 20, at=NOVEMBER)[:2]
    month.shop.execute(tie, c=[golden, bridge, trained])
    other = max(golden_photos(first))
    month.shop.execute(tie.replace("'9'", "'8'"), c=[other, alone])
    second = month.freeze("next", DECEMBER)
    assert [tuple(o.model_dump().values()) for o in second.left_out] == [
        (content, "beside_golden") for content in sorted([bridge, trained])
    ]
    assert {golden, other, alone} <= golden_photos(second)
    # Although the snapshot before has left it out, it was learnt from: never golden.
    month.both(200, 20, at=DECEMBER)
    third = month.freeze("third", DECEMBER + timedelta(days=31))
    assert trained in {o.content_sha256 for o in third.left_out}


def version_from(shop: Shop, folder: Path, parent: str, learnt: list[str], seed: int) -> str:
    """A champion with another as ancestor, trained on these photos."""
    make_champion(folder, seed=seed)
    card = read_card((folder / CARD).read_text(encoding="utf-8"), source=folder)
    start = PretrainedWeights(kind="champion", detail=parent)
    save_card(card.model_copy(update={"pretrained_weights": start}), folder)
    (folder / TRAINING_MANIFEST).write_text(json.dumps({"train": learnt, "validation": []}))
    parts = shop.connections
    model_hash = registry.register(folder, engine=parts.engine, store=parts.models)
    registry.promote(model_hash, engine=parts.engine, by="test", reason="test")
    return model_hash


def test_photos_that_champion_or_ancestors_were_trained_on_are_marked_as_seen(
    month: Month, tmp_path: Path
) -> None:
    contents = month.both(0, 60)
    learnt = [contents[:5], contents[-5:]]
    parent = version_from(month.shop, tmp_path / "1", month.shop.model_hash, learnt[0], seed=31)
    child = version_from(month.shop, tmp_path / "2", parent, learnt[1], seed=32)
    family = in_transaction(month.shop.connections.engine, lambda c: lineage(c, child))
    assert family == [child, parent, month.shop.model_hash]
    photos = month.freeze().photos
    assert {p.content_sha256 for p in photos if p.seen} == {*learnt[0], *learnt[1]}
    assert {p.part for p in photos if p.seen} == {Split.TRAIN}


def test_unusable_photo_is_excluded_with_the_reason(month: Month) -> None:
    month.both(0, 40)
    odd = archive_photo(month.shop, photo(seed=90))
    label_photos(month.shop, [odd], "spam")
    label_photos(month.shop, ["a" * 64], "normal")
    manifest = month.freeze()
    assert {o.content_sha256: o.reason for o in manifest.left_out} == {
        odd: "unknown_class:spam",
        "a" * 64: "never_seen",
    }
    assert len(manifest.photos) == 40


def test_weights_are_inverse_sampling_rates_up_to_a_maximum(month: Month) -> None:
    month.both(0, 40)
    rare, rarer = (archive_photo(month.shop, photo(seed=s)) for s in (90, 91))
    label_photos(month.shop, [rare], "normal", route="spot_check", sampling_rate=0.25)
    label_photos(month.shop, [rarer], "normal", route="spot_check", sampling_rate=0.01)
    weights = {p.content_sha256: p.weight for p in month.freeze().photos}
    assert (weights[rare], weights[rarer]) == (4.0, 20.0)
    assert set(weights.values()) == {1.0, 4.0, 20.0}


def test_snapshot_needs_no_champion(month: Month) -> None:
    month.shop.execute("delete from moderation.champion")
    month.both(0, 40)
    month.freeze()
    assert month.shop.rows("select champion_hash from moderation.retrain_run") == [(None,)]


def test_error_names_a_class_without_labels(month: Month) -> None:
    month.photos(BRIGHT, range(40), "normal")
    with pytest.raises(TrainingError, match="violate"):
        month.freeze()
