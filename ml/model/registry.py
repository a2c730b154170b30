"""Model versions in the bucket and the database; one row says which is the champion."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from types import EllipsisType
from typing import Literal

import structlog
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.errors import ChampionChanged, ModelError, NoChampion
from ml.model.checkpoint import CARD, WEIGHTS, Checkpoint, load_checkpoint
from ml.review.activity import model_target, record
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.schema import champion, model_version, promotion

log = structlog.get_logger()

PromotionKind = Literal["promote", "rollback"]


def register(folder: Path, *, engine: Engine, store: ObjectStore) -> str:
    """Put a trained version (weights, card and whatever lies beside them) into bucket and database.

    The row is written last, so that a listed version is always complete. Returns the model hash.

    Raises:
        ModelHashMismatch: the folder's weights are not those of its card.
    """
    card = load_checkpoint(folder).card
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        store.put(
            f"{_prefix(card.model_hash)}{path.relative_to(folder).as_posix()}", path.read_bytes()
        )
    row = insert(model_version).values(
        model_hash=card.model_hash,
        weights_sha256=card.weights_sha256,
        card=card.model_dump(mode="json"),
    )
    in_transaction(engine, lambda c: c.execute(row.on_conflict_do_nothing()))
    log.info("model version registered", model_hash=card.model_hash)
    return card.model_hash


def promote(
    model_hash: str,
    *,
    engine: Engine,
    by: str,
    reason: str,
    expected: str | EllipsisType | None = ...,
    kind: PromotionKind = "promote",
) -> None:
    """Make a version the champion, with its history, in one transaction; again is no change.

    Args:
        model_hash: a registered version.
        engine: of the database.
        by: who, for the history.
        reason: why, for the history.
        expected: the champion that the caller knows (None: that there is none); `...` takes any.
        kind: how the history calls it.

    Raises:
        ModelError: no such version is registered.
        ChampionChanged: the champion is neither `expected` nor this version already.
    """
    switch = Switch(model_hash, by, reason, kind, expected)
    in_transaction(engine, _Attempts(switch))


@dataclass(frozen=True)
class Switch:
    """One switch of the champion; the fields are `promote`'s arguments."""

    model_hash: str
    by: str
    reason: str
    kind: PromotionKind = "promote"
    expected: str | EllipsisType | None = ...


class _Attempts:
    """A switch as work that `in_transaction` may run twice.

    Where the answer to a commit was lost, the second attempt finds the row of the first one in the
    history and leaves it at that: the champion may have been switched again since.
    """

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._seen: int | None = None  # the newest row before the first attempt

    def __call__(self, connection: Connection) -> None:
        lock_champion(connection)
        if self._seen is None:
            newest = select(func.coalesce(func.max(promotion.c.promotion_id), 0))
            self._seen = connection.execute(newest).scalar_one()
        elif self._done_before(connection, self._seen):
            return
        switch_champion(connection, self._switch)

    def _done_before(self, connection: Connection, seen: int) -> bool:
        query = select(promotion.c.promotion_id).where(
            promotion.c.promotion_id > seen,
            promotion.c.model_hash == self._switch.model_hash,
            promotion.c.promoted_by == self._switch.by,
            promotion.c.reason == self._switch.reason,
            promotion.c.kind == self._switch.kind,
        )
        return connection.execute(query).first() is not None


def lock_champion(connection: Connection) -> None:
    """Let one switch at a time look at the champion and change it, until the transaction's end.

    The table is locked and not its row, since before the first promotion there is none; and not an
    advisory number, which a switch by other means would not know of. Readers do not wait.
    """
    connection.execute(text("lock table moderation.champion in share row exclusive mode"))


def switch_champion(connection: Connection, switch: Switch) -> None:
    """What `promote` does, as part of the caller's transaction; raises the same."""
    lock_champion(connection)
    model_hash = switch.model_hash
    known = select(model_version.c.model_hash).where(model_version.c.model_hash == model_hash)
    if connection.execute(known).scalar() is None:
        raise ModelError(f"no registered model version {model_hash}; register it first")
    previous = connection.execute(select(champion.c.model_hash)).scalar()
    if previous == model_hash:
        return
    if switch.expected not in (..., previous):
        raise ChampionChanged(
            f"{model_hash[:12]} was to follow {_named(switch.expected)}, but the champion is "
            f"{_named(previous)} by now; compare it with that one first"
        )
    row = insert(champion).values(one_row=True, model_hash=model_hash)
    connection.execute(
        row.on_conflict_do_update(index_elements=["one_row"], set_={"model_hash": model_hash})
    )
    _write_history(connection, switch, previous)


def _write_history(connection: Connection, switch: Switch, previous: str | None) -> None:
    connection.execute(
        insert(promotion).values(
            model_hash=switch.model_hash,
            previous_hash=previous,
            promoted_by=switch.by,
            reason=switch.reason,
            kind=switch.kind,
            # The column's default is when the transaction began: one that waited for the lock
            # would seem to have switched before the one it waited for.
            promoted_at=func.clock_timestamp(),
        )
    )
    target = model_target(switch.model_hash)
    said = {"previous": previous, "reason": switch.reason}
    record(connection, who=switch.by, what=switch.kind, target=target, **said)


def _named(model_hash: str | EllipsisType | None) -> str:
    return str(model_hash)[:12] if model_hash else "none"


def champion_hash(connection: Connection) -> str:
    """The model hash of the champion.

    Raises:
        NoChampion: nothing was promoted yet; says what to run.
    """
    found: str | None = connection.execute(select(champion.c.model_hash)).scalar()
    if found is None:
        raise NoChampion(
            "no model version is champion yet; run "
            "`python -m ml train --data FOLDER --preset fast --promote`"
        )
    return found


def fetch(model_hash: str, *, store: ObjectStore, cache: Path) -> Checkpoint:
    """Load a version, from the local cache or else from the bucket; its hashes are checked.

    A damaged cache entry is fetched anew.

    Raises:
        ModelHashMismatch: the bucket's bytes are not those of the version.
        ObjectAbsent: the bucket does not hold the version.
    """
    folder = cache / model_hash
    if (folder / CARD).is_file():
        try:
            return load_checkpoint(folder, model_hash=model_hash)
        except ModelError as error:
            log.warning("cached model version is damaged, fetching anew", error=str(error))
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, CARD):  # the card last: its presence says that the weights are there
        _write_whole(folder / name, store.get(f"{_prefix(model_hash)}{name}"))
    return load_checkpoint(folder, model_hash=model_hash)


def _prefix(model_hash: str) -> str:
    return f"models/{model_hash}/"


def _write_whole(path: Path, data: bytes) -> None:
    # Two shards on one machine may fetch at once: each renames a file of its own into place.
    part = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.part")
    part.write_bytes(data)
    part.replace(path)
