"""Registered model versions, the champion, and the promotion history.

Tables `moderation.model_version`, `champion` and `promotion`. The files of a version are in the
model bucket (`ml.models.registry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ml.storage.rows import columns_of, insert_new, load_row, load_rows, load_value
from ml.storage.schema import champion, model_version, promotion

PromotionKind = Literal["promote", "rollback"]

_version = model_version.c


@dataclass(frozen=True)
class ModelVersion:
    """A registered version; the evaluation columns are None until a retraining run fills them.

    `card` is the JSON of the model card, `evaluation` the report of `ml.learning.retrain.evaluate`
    and `gates` its gates, each with `name`, `passed` and `reason`.
    """

    model_hash: str
    card: dict[str, Any]
    compared_with: str | None
    evaluation: dict[str, Any] | None
    gates: list[dict[str, Any]] | None
    gate_decision: str | None


@dataclass(frozen=True)
class Promotion:
    """One change of the champion; `previous_hash` is None for the first."""

    promotion_id: int
    model_hash: str
    previous_hash: str | None
    promoted_by: str
    reason: str
    promoted_at: datetime
    kind: str


class NewPromotion(TypedDict):
    """What identifies a promotion in the history."""

    model_hash: str
    promoted_by: str
    reason: str
    kind: PromotionKind


def add_version(
    connection: Connection, *, model_hash: str, weights_sha256: str, card: Mapping[str, Any]
) -> None:
    """Register a version. Idempotent."""
    row = {"model_hash": model_hash, "weights_sha256": weights_sha256, "card": card}
    insert_new(connection, model_version, [row])


def load_version(connection: Connection, model_hash: str) -> ModelVersion | None:
    """One version; None if it is not registered."""
    columns = columns_of(model_version, ModelVersion)
    query = select(*columns).where(_version.model_hash == model_hash)
    return load_row(connection, query, ModelVersion)


def load_card(connection: Connection, model_hash: str) -> dict[str, Any] | None:
    """The JSON of a version's card; None if it is not registered."""
    query = select(_version.card).where(_version.model_hash == model_hash)
    return load_value(connection, query, dict)


def load_evaluation(connection: Connection, model_hash: str | None) -> dict[str, Any] | None:
    """The report of `ml.learning.retrain.evaluate`; None if the version was not evaluated."""
    query = select(_version.evaluation).where(_version.model_hash == model_hash)
    return load_value(connection, query, dict)


def find_versions(connection: Connection, hash_prefix: str) -> list[str]:
    """Hashes of the versions that begin with a prefix ("": of all), sorted."""
    query = select(_version.model_hash).where(_version.model_hash.startswith(hash_prefix))
    return list(connection.execute(query.order_by(_version.model_hash)).scalars())


def set_values(connection: Connection, model_hash: str | None, **values: object) -> None:
    """Set columns of a version's row."""
    row = update(model_version).where(_version.model_hash == model_hash)
    connection.execute(row.values(**values))


def lock_champion(connection: Connection) -> None:
    """Serialize promotions until the end of the transaction; readers do not wait.

    The table is locked, because before the first promotion there is no row; and not an advisory
    lock, which statements outside of this program would not take.
    """
    connection.execute(text("lock table moderation.champion in share row exclusive mode"))


def load_champion(connection: Connection) -> str | None:
    """The model hash of the champion; None before the first promotion."""
    return load_value(connection, select(champion.c.model_hash), str)


def load_champion_card(connection: Connection) -> dict[str, Any]:
    """The champion's card as stored; there must be a champion."""
    is_champion = champion.c.model_hash == _version.model_hash
    query = select(_version.card).join(champion, is_champion)
    card: dict[str, Any] = connection.execute(query).scalar_one()
    return card


def is_registered(connection: Connection, model_hash: str) -> bool:
    """Whether a version is registered."""
    query = select(_version.model_hash).where(_version.model_hash == model_hash)
    return connection.execute(query).first() is not None


def set_champion(connection: Connection, model_hash: str) -> None:
    """Make a version the champion; the caller holds `lock_champion` and writes the history."""
    row = insert(champion).values(singleton=True, model_hash=model_hash)
    connection.execute(
        row.on_conflict_do_update(index_elements=["singleton"], set_={"model_hash": model_hash})
    )


def add_promotion(
    connection: Connection, *, previous_hash: str | None, **new: Unpack[NewPromotion]
) -> None:
    """Append to the promotion history."""
    # The column's default is the start of the transaction: a promotion that waited for the lock
    # would seem to precede the one it waited for.
    row = insert(promotion).values(
        **new, previous_hash=previous_hash, promoted_at=func.clock_timestamp()
    )
    connection.execute(row)


def latest_promotion_id(connection: Connection) -> int:
    """The id of the newest promotion; 0 if there is none."""
    query = select(func.coalesce(func.max(promotion.c.promotion_id), 0))
    return int(connection.execute(query).scalar_one())


def has_promotion(connection: Connection, *, after_id: int, **new: Unpack[NewPromotion]) -> bool:
    """Whether the history holds exactly this promotion after the promotion `after_id`."""
    same = (promotion.c[name] == value for name, value in new.items())
    query = select(promotion.c.promotion_id).where(promotion.c.promotion_id > after_id, *same)
    return connection.execute(query).first() is not None


def list_promotions(connection: Connection) -> list[Promotion]:
    """The promotion history, oldest first."""
    query = select(promotion).order_by(promotion.c.promotion_id)
    return load_rows(connection, query, Promotion)


def champion_at(connection: Connection, moment: datetime) -> str | None:
    """The version that was champion at a moment; None before the first promotion.

    A nightly run that was in progress then may have used the previous one: a run keeps the version
    it started with (see `ml.storage.read.model_listing.verdict_origin`).
    """
    query = (
        select(promotion.c.model_hash)
        .where(promotion.c.promoted_at <= moment)
        .order_by(promotion.c.promotion_id.desc())
        .limit(1)
    )
    return load_value(connection, query, str)


def latest_promotion(connection: Connection) -> tuple[str, datetime] | None:
    """(model hash, time) of the last promotion, rollbacks not counted; None before the first."""
    query = (
        select(promotion.c.model_hash, promotion.c.promoted_at)
        .where(promotion.c.kind == "promote")
        .order_by(promotion.c.promotion_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.model_hash, row.promoted_at)
