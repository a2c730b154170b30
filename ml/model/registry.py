"""Model versions in the bucket and the database; one row says which is the champion."""

import os
from pathlib import Path
from threading import get_ident

import structlog
from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.postgresql import insert

from ml.errors import ModelError, NoChampion
from ml.model.checkpoint import CARD, WEIGHTS, Checkpoint, load_checkpoint
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.schema import champion, model_version, promotion

log = structlog.get_logger()


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


def promote(model_hash: str, *, engine: Engine, by: str, reason: str) -> None:
    """Make a version the champion, with its history, in one transaction; again is no change.

    Raises:
        ModelError: no such version is registered.
    """
    in_transaction(engine, lambda c: _promote(c, model_hash, by, reason))


def _promote(connection: Connection, model_hash: str, by: str, reason: str) -> None:
    known = select(model_version.c.model_hash).where(model_version.c.model_hash == model_hash)
    if connection.execute(known).scalar() is None:
        raise ModelError(f"no registered model version {model_hash}; register it first")
    previous = connection.execute(select(champion.c.model_hash).with_for_update()).scalar()
    if previous == model_hash:
        return
    switch = insert(champion).values(one_row=True, model_hash=model_hash)
    connection.execute(
        switch.on_conflict_do_update(index_elements=["one_row"], set_={"model_hash": model_hash})
    )
    connection.execute(
        insert(promotion).values(
            model_hash=model_hash, previous_hash=previous, promoted_by=by, reason=reason
        )
    )


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
