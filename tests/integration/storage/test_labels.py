from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from ml.storage.database import connect
from ml.storage.labels import NewLabel, add_labels, latest_labels, resolve_labels

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 1, 9, tzinfo=UTC)
ANN = NewLabel("a" * 64, "violate", "ann", "uncertain", AT, category="qr")
BOB = replace(ANN, reviewer="bob", label="normal", category=None)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


def _add(engine: Engine, *labels: NewLabel) -> int:
    with engine.begin() as connection:
        return add_labels(connection, labels)


def _count(engine: Engine) -> object:
    with engine.begin() as connection:
        return connection.execute(text("select count(*) from moderation.human_label")).scalar_one()


def test_add_labels_twice_adds_none(engine: Engine) -> None:
    assert _add(engine, ANN, BOB, ANN) == 2
    assert _add(engine, BOB, replace(BOB, decided_at=AT + timedelta(hours=1)), ANN) == 1
    assert _add(engine) == 0
    assert _count(engine) == 3


def test_add_labels_of_several_batches_adds_all(engine: Engine) -> None:
    labels = [replace(ANN, content_sha256=f"{n:064x}") for n in range(2500)]
    assert _add(engine, *labels) == 2500
    assert _add(engine, *labels) == 0


def test_add_labels_without_time_is_idempotent_for_a_task(engine: Engine) -> None:
    undated = replace(ANN, decided_at=None, task_id=_task(engine))
    assert _add(engine, undated) == 1
    assert _add(engine, undated) == 0
    changed = replace(undated, label="normal")
    assert _add(engine, changed) == 1
    assert _add(engine, undated) == 1  # back again is a third decision, not a retry of the first
    with engine.begin() as connection:
        assert latest_labels(connection, []) == {}
        words = latest_labels(connection, [(ANN.content_sha256, "ann"), ("none", "ann")])
    assert words == {(ANN.content_sha256, "ann"): ("violate", undated.task_id)}


def _task(engine: Engine) -> int:
    insert = text(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, priority, run_id) "
        "values ('k', 'e', :c, 'm', 'p', '{}', 0.5, 0.5, 'r') returning task_id"
    )
    with engine.begin() as connection:
        return int(connection.execute(insert, {"c": ANN.content_sha256}).scalar_one())


@pytest.mark.parametrize(
    "statement",
    [
        "update moderation.human_label set label = 'normal'",
        "delete from moderation.human_label",
        "truncate moderation.human_label cascade",
    ],
)
def test_database_rejects_changes_of_label_history(engine: Engine, statement: str) -> None:
    _add(engine, ANN)
    with pytest.raises(IntegrityError, match="its rows are history"), engine.begin() as connection:
        connection.execute(text(statement))
    assert _count(engine) == 1


@pytest.mark.parametrize("wrong", [{"route": "gossip"}, {"sampling_rate": 0.0}])
def test_database_rejects_invalid_labels(engine: Engine, wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        _add(engine, replace(ANN, **wrong))  # type: ignore[arg-type]  # wrong on purpose


def test_resolve_labels_has_first_route_and_majority_label(engine: Engine) -> None:
    first = replace(ANN, route="spot_check", sampling_rate=0.1)
    later = replace(BOB, decided_at=AT + timedelta(hours=2))
    third = replace(later, reviewer="cy", label="violate", decided_at=AT + timedelta(hours=1))
    _add(engine, later, third, first)
    with engine.begin() as connection:
        (truth,) = resolve_labels(connection, as_of=AT + timedelta(days=1))
        (early,) = resolve_labels(connection, as_of=AT + timedelta(hours=1))
        assert resolve_labels(connection, as_of=AT) == []
    assert (truth.label, truth.category, truth.decided_at) == ("violate", "qr", third.decided_at)
    assert (truth.route, truth.sampling_rate) == ("spot_check", 0.1)
    assert (truth.reviewers, truth.contested) == (3, True)
    assert (early.reviewers, early.contested) == (1, False)


def test_resolve_labels_ignores_undone_labels(engine: Engine) -> None:
    task_id = _task(engine)
    mistaken = replace(ANN, task_id=task_id)
    _add(engine, mistaken, BOB)
    undo = (
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, reviewer from moderation.human_label where reviewer = 'ann'"
    )
    with engine.begin() as connection:
        connection.execute(text(undo))
        (truth,) = resolve_labels(connection, as_of=AT + timedelta(hours=1))
    assert (truth.label, truth.route, truth.reviewers) == ("normal", BOB.route, 1)
    assert not truth.contested
    # The same word once more is a new decision, not a repetition of the one taken back.
    assert _add(engine, replace(mistaken, decided_at=None)) == 1
