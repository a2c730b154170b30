"""Concurrent promotions: the history is a chain without gaps, and no promotion is overwritten."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from ml.core.errors import PromotionConflict, StorageUnavailable
from ml.models import registry
from ml.storage import database
from ml.storage.database import connect, in_transaction
from ml.storage.model_versions import Promotion, champion_at, list_promotions

pytestmark = pytest.mark.integration

VERSIONS = ["a" * 64, "b" * 64, "c" * 64, "d" * 64]
ROUNDS = 25


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with versions and without a champion."""
    engine = connect(database_url)
    with engine.begin() as connection:
        for version in VERSIONS:
            connection.execute(
                text("insert into moderation.model_version values (:h, :h, '{}')"), {"h": version}
            )
    yield engine
    engine.dispose()


def _promote(engine: Engine, version: str, **more: object) -> None:
    registry.promote(version, engine=engine, by="ann", reason="better", **more)  # type: ignore[arg-type]


def _history(engine: Engine) -> list[Promotion]:
    return in_transaction(engine, list_promotions)


def _champion(engine: Engine) -> str:
    return in_transaction(engine, registry.champion_hash)


def _at_once(versions: list[str], work: Callable[[str], object]) -> list[object]:
    """Run `work` for each version in its own thread; all threads start at the same time."""
    barrier = threading.Barrier(len(versions))

    def one(version: str) -> object:
        barrier.wait()
        try:
            return work(version)
        except PromotionConflict as error:
            return error

    with ThreadPoolExecutor(len(versions)) as pool:
        return list(pool.map(one, versions))


def _forget_champion(connection: Connection) -> None:
    connection.execute(text("delete from moderation.champion"))


@pytest.mark.parametrize("from_none", [True, False])
def test_concurrent_promotions_make_a_chain_without_gaps(engine: Engine, from_none: bool) -> None:
    for _ in range(ROUNDS):
        if from_none:
            in_transaction(engine, _forget_champion)
        before = _history(engine)
        # Who is champion already is promoted to no effect: the others make the chain.
        champion = None if from_none or not before else before[-1].model_hash
        _at_once(VERSIONS, lambda version: _promote(engine, version))
        for row in _history(engine)[len(before) :]:
            assert row.previous_hash == champion
            champion = row.model_hash
        assert _champion(engine) == champion
    times = [row.promoted_at for row in _history(engine)]
    assert times == sorted(times)


def test_of_promotions_that_expect_the_same_champion_one_wins(engine: Engine) -> None:
    for expected in [None, *VERSIONS]:
        others = [version for version in VERSIONS if version != expected]
        if expected is not None:
            _promote(engine, expected)
        before = len(_history(engine))
        ends = _at_once(others, lambda v, e=expected: _promote(engine, v, expected=e))  # type: ignore[misc]
        assert sum(end is None for end in ends) == 1
        assert sum(isinstance(end, PromotionConflict) for end in ends) == len(others) - 1
        assert _champion(engine) == others[ends.index(None)]
        assert len(_history(engine)) == before + 1


def test_promote_accepts_the_present_champion_whatever_was_expected(engine: Engine) -> None:
    _promote(engine, VERSIONS[0], expected=None)
    _promote(engine, VERSIONS[0], expected=None)
    _promote(engine, VERSIONS[0], expected=VERSIONS[1])
    assert len(_history(engine)) == 1


@pytest.mark.parametrize("expected", [None, VERSIONS[2]])
def test_promote_rejects_another_champion_than_expected_and_names_it(
    engine: Engine, expected: str | None
) -> None:
    _promote(engine, VERSIONS[0])
    with pytest.raises(PromotionConflict, match=VERSIONS[0][:12]):
        _promote(engine, VERSIONS[1], expected=expected)
    assert _champion(engine) == VERSIONS[0]
    assert len(_history(engine)) == 1


@pytest.mark.usefixtures("no_waiting")
def test_promote_is_not_repeated_over_a_later_promotion_if_its_reply_was_lost(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _promote(engine, VERSIONS[0])
    real, lost = database._once, [False]

    def loses_the_first_answer(engine: Engine, work: Callable[[Connection], object]) -> object:
        answer = real(engine, work)
        if not lost[0]:
            lost[0] = True
            _promote(engine, VERSIONS[2])  # someone else's, before the second attempt
            raise StorageUnavailable("the connection broke")
        return answer

    monkeypatch.setattr(database, "_once", loses_the_first_answer)
    _promote(engine, VERSIONS[1], expected=VERSIONS[0])
    assert _champion(engine) == VERSIONS[2]
    assert [row.model_hash for row in _history(engine)] == VERSIONS[:3]


def test_champion_at_returns_the_champion_of_each_time(engine: Engine) -> None:
    for version in VERSIONS[:2]:
        _promote(engine, version)
    _promote(engine, VERSIONS[0], kind="rollback")
    rows = _history(engine)
    assert [row.kind for row in rows] == ["promote", "promote", "rollback"]
    for row in rows:
        moment = row.promoted_at
        assert in_transaction(engine, lambda c, m=moment: champion_at(c, m)) == row.model_hash  # type: ignore[misc]
    early = rows[0].promoted_at.replace(year=2000)
    assert in_transaction(engine, lambda c: champion_at(c, early)) is None
