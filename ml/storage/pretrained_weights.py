"""`moderation.pretrained_weights`: weights that retraining runs distilled for later runs."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from ml.storage.rows import columns_of, insert_new, is_found, load_row, load_value
from ml.storage.schema import pretrained_weights, retrain_run

_weights = pretrained_weights.c


@dataclass(frozen=True)
class RegisteredWeights:
    """A weights file of the model bucket with its card, and the run that distilled it."""

    weights_sha256: str
    object_key: str
    card: dict[str, Any]
    run_id: str


def register(connection: Connection, weights: RegisteredWeights) -> None:
    """Write the row of weights whose file is in the bucket. Idempotent."""
    insert_new(connection, pretrained_weights, [asdict(weights)])


def load(connection: Connection, weights_sha256: str) -> RegisteredWeights | None:
    """The row of weights."""
    return _load_first(connection, _weights.weights_sha256 == weights_sha256)


def load_of_run(connection: Connection, run_id: str) -> RegisteredWeights | None:
    """What a run distilled."""
    return _load_first(connection, _weights.run_id == run_id)


def _load_first(connection: Connection, which: ColumnElement[bool]) -> RegisteredWeights | None:
    query = select(*columns_of(pretrained_weights, RegisteredWeights)).where(which).limit(1)
    return load_row(connection, query, RegisteredWeights)


def load_newest(connection: Connection) -> str | None:
    """The newest weights; None if there are none, or if a run has compared them already."""
    newest = select(_weights.weights_sha256).order_by(_weights.registered_at.desc()).limit(1)
    weights = newest.subquery()
    compared = is_found(
        retrain_run,
        retrain_run.c.weights_sha256 == weights.c.weights_sha256,
        retrain_run.c.starts.is_not(None),
    )
    return load_value(connection, select(weights.c.weights_sha256).where(~compared), str)


def list_needed_files(connection: Connection) -> list[str]:
    """Object keys of the newest weights, and of those that a running run compares."""
    newest = select(_weights.object_key).order_by(_weights.registered_at.desc()).limit(1)
    of_running = (
        select(_weights.object_key)
        .join(retrain_run, retrain_run.c.weights_sha256 == _weights.weights_sha256)
        .where(retrain_run.c.state == "running")
    )
    return list(connection.execute(newest.union(of_running)).scalars())
