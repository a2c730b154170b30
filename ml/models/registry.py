"""Model versions: their files in the model bucket, and the promotion of one to champion."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from types import EllipsisType

import structlog
from sqlalchemy import Connection, Engine

from ml.core.errors import ModelError, NoChampion, PromotionConflict
from ml.models.checkpoint import CARD, WEIGHTS, Checkpoint, load_checkpoint
from ml.storage import model_versions
from ml.storage.activity_log import model_target, record
from ml.storage.database import in_transaction
from ml.storage.model_versions import PromotionKind
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()


def register(folder: Path, *, engine: Engine, store: ObjectStore) -> str:
    """Upload a trained version (weights, card, other files of the folder) and add its row.

    The row is written last, so that a listed version is always complete. Returns the model hash.

    Raises:
        ModelHashMismatch: the folder's weights are not those of its card.
    """
    card = load_checkpoint(folder).card
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        store.put(
            f"{_prefix(card.model_hash)}{path.relative_to(folder).as_posix()}", path.read_bytes()
        )
    in_transaction(
        engine,
        lambda c: model_versions.add_version(
            c,
            model_hash=card.model_hash,
            weights_sha256=card.weights_sha256,
            card=card.model_dump(mode="json"),
        ),
    )
    log.info("model version registered", model_hash=card.model_hash)
    return card.model_hash


@dataclass(frozen=True)
class PromotionRequest:
    """The arguments of one promotion; see `promote`."""

    model_hash: str
    by: str
    reason: str
    kind: PromotionKind = "promote"
    expected: str | EllipsisType | None = ...


def promote(
    model_hash: str,
    *,
    engine: Engine,
    by: str,
    reason: str,
    expected: str | EllipsisType | None = ...,
    kind: PromotionKind = "promote",
) -> None:
    """Make a version the champion and append to the history, in one transaction. Idempotent.

    Args:
        model_hash: a registered version.
        engine: of the database.
        by: the actor, for the history.
        reason: for the history.
        expected: the champion that the caller knows (None: there is none); `...` accepts any.
        kind: of the history's entry.

    Raises:
        ModelError: no such version is registered.
        PromotionConflict: the champion is neither `expected` nor this version already.
    """
    request = PromotionRequest(model_hash, by, reason, kind, expected)
    in_transaction(engine, _RetriablePromotion(request))


class _RetriablePromotion:
    """A promotion as work that `in_transaction` may run twice.

    If the reply to a commit was lost, the second attempt finds the history entry of the first one
    and stops there: the champion may have changed again since.
    """

    def __init__(self, request: PromotionRequest) -> None:
        self._request = request
        self._latest_id: int | None = None  # the newest entry before the first attempt

    def __call__(self, connection: Connection) -> None:
        model_versions.lock_champion(connection)
        if self._latest_id is None:
            self._latest_id = model_versions.latest_promotion_id(connection)
        elif self._already_committed(connection, self._latest_id):
            return
        switch_champion(connection, self._request)

    def _already_committed(self, connection: Connection, latest_id: int) -> bool:
        return model_versions.has_promotion(
            connection,
            after_id=latest_id,
            model_hash=self._request.model_hash,
            promoted_by=self._request.by,
            reason=self._request.reason,
            kind=self._request.kind,
        )


def switch_champion(connection: Connection, request: PromotionRequest) -> None:
    """Do what `promote` does within the caller's transaction; raises the same errors."""
    model_versions.lock_champion(connection)
    model_hash = request.model_hash
    if model_versions.load_card(connection, model_hash) is None:
        raise ModelError(f"no registered model version {model_hash}; register it first")
    previous = model_versions.load_champion(connection)
    if previous == model_hash:
        return
    if request.expected not in (..., previous):
        raise PromotionConflict(
            f"{model_hash[:12]} was to follow {_short(request.expected)}, but the champion is "
            f"{_short(previous)} by now; compare it with that one first"
        )
    model_versions.set_champion(connection, model_hash)
    model_versions.add_promotion(
        connection,
        model_hash=model_hash,
        previous_hash=previous,
        promoted_by=request.by,
        reason=request.reason,
        kind=request.kind,
    )
    record(
        connection,
        actor=request.by,
        action=request.kind,
        target=model_target(model_hash),
        previous=previous,
        reason=request.reason,
    )


def _short(model_hash: str | EllipsisType | None) -> str:
    return str(model_hash)[:12] if model_hash else "none"


def champion_hash(connection: Connection) -> str:
    """The model hash of the champion.

    Raises:
        NoChampion: nothing was promoted yet; the message names the command to run.
    """
    model_hash = model_versions.load_champion(connection)
    if model_hash is None:
        raise NoChampion(
            "no model version is champion yet; run "
            "`python -m ml train --data FOLDER --preset fast --promote`"
        )
    return model_hash


def fetch(model_hash: str, *, store: ObjectStore, cache: Path) -> Checkpoint:
    """Load a version, from the local cache or else from the bucket; its hashes are checked.

    A damaged cache entry is fetched again.

    Raises:
        ModelHashMismatch: the bucket's bytes are not those of the version.
        ObjectNotFound: the bucket does not hold the version.
    """
    folder = cache / model_hash
    if (folder / CARD).is_file():
        try:
            return load_checkpoint(folder, model_hash=model_hash)
        except ModelError as error:
            log.warning("cached model version is damaged, fetching it again", error=str(error))
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, CARD):  # the card last: it marks a complete folder
        _write_whole(folder / name, store.get(f"{_prefix(model_hash)}{name}"))
    return load_checkpoint(folder, model_hash=model_hash)


def _prefix(model_hash: str) -> str:
    return f"models/{model_hash}/"


def _write_whole(path: Path, data: bytes) -> None:
    # Two processes on one machine may fetch at once: each renames its own file into place.
    part = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.part")
    part.write_bytes(data)
    part.replace(path)
