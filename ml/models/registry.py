"""Model versions: their files in the model bucket, and the promotion of one to champion."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import EllipsisType
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine

from ml.core.errors import ModelError, NoChampion, PromotionConflict
from ml.core.files import write_file
from ml.models.checkpoint import CARD, INT8, WEIGHTS, Checkpoint, load_checkpoint, load_int8
from ml.storage import model_versions
from ml.storage.activity_log import model_target, record
from ml.storage.database import in_transaction
from ml.storage.model_versions import PromotionKind
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()
T = TypeVar("T")

_HASH_START = re.compile(r"[0-9a-f]{8,64}")


def register(folder: Path, *, engine: Engine, store: ObjectStore) -> str:
    """Upload a trained version (weights, card, other files of the folder) and add its row.

    The row is written last, so that a listed version is always complete. Returns the model hash.

    Raises:
        ModelHashMismatch: the folder's weights are not those of its card.
    """
    card = load_checkpoint(folder).card
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        store.put(f"models/{card.model_hash}/{name}", path.read_bytes())
    add_version = partial(
        model_versions.add_version,
        model_hash=card.model_hash,
        weights_sha256=card.weights_sha256,
        card=card.model_dump(mode="json"),
    )
    in_transaction(engine, add_version)
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

    `by`, `reason` and `kind` go into the history. `expected` is the champion that the caller knows
    (None: there is none); `...` accepts any.

    Raises:
        ModelError: no such version is registered.
        PromotionConflict: the champion is neither `expected` nor this version already.
    """
    request = PromotionRequest(model_hash, by, reason, kind, expected)
    latest_id: int | None = None  # the newest entry of the history before the first attempt

    def attempt(connection: Connection) -> None:
        # `in_transaction` repeats an attempt whose reply was lost. If that one was committed, the
        # champion may have changed again since.
        nonlocal latest_id
        model_versions.lock_champion(connection)
        if latest_id is None:
            latest_id = model_versions.latest_promotion_id(connection)
        elif model_versions.has_promotion(
            connection,
            after_id=latest_id,
            model_hash=model_hash,
            promoted_by=by,
            reason=reason,
            kind=kind,
        ):
            return
        switch_champion(connection, request)

    in_transaction(engine, attempt)


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


def find_version(connection: Connection, start: str) -> str:
    """The one version whose hash begins with `start`, 8 to 64 hexadecimal digits.

    Raises:
        ModelError: there is none, or more than one.
    """
    if not _HASH_START.fullmatch(start):
        raise ModelError(
            f"{start!r} names no version: give the first 8 to 64 digits of a hash "
            "(`python -m ml models list` shows them)"
        )
    versions = model_versions.find_versions(connection, start)
    if not versions:
        raise ModelError(f"no registered model version begins with {start}")
    if len(versions) > 1:
        found = f"{len(versions)} versions begin with {start}: {', '.join(versions)}"
        raise ModelError(f"{found}; give more digits")
    return versions[0]


def fetch(model_hash: str, *, store: ObjectStore, cache: Path, int8: bool = False) -> Checkpoint:
    """Load a version, from the local cache or else from the bucket; its hashes are checked.

    A damaged cache entry is fetched again. With `int8`, its int8 variant is loaded, too, if it has
    one.

    Raises:
        StorageFull, StorageError: the cache cannot be written.
        ModelHashMismatch: the bucket's bytes are not those of the version.
        ObjectNotFound: the bucket does not hold the version.
    """
    folder = cache / model_hash
    load = partial(load_checkpoint, folder, model_hash=model_hash)
    checkpoint = _load_or_fetch(load, (WEIGHTS, CARD), folder, store)
    variant = checkpoint.card.int8
    if variant is None or not int8:
        return checkpoint
    network = _load_or_fetch(partial(load_int8, folder, variant), INT8, folder, store)
    return replace(checkpoint, int8=network)


def _load_or_fetch(
    load: Callable[[], T], names: tuple[str, ...], folder: Path, store: ObjectStore
) -> T:
    """Load from files that are all in the cache; fetch them first if one is missing or damaged.

    The last file is written last: it marks complete ones.
    """
    if (folder / names[-1]).is_file():
        try:
            return load()
        except ModelError as error:
            log.warning("cached model version is damaged, fetching it again", error=str(error))
    for name in names:
        write_file(folder / name, store.get(f"models/{folder.name}/{name}"))
    return load()
