"""The model versions as people look at them: what each is, what it was measured at, what waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, exists, select

from ml.model.history import Promotion, promotions
from ml.storage.schema import champion, model_version, retrain_run

_v = model_version.c


@dataclass(frozen=True)
class Version:
    """A registered version.

    `card` is as its file says it. `measured` are the figures on the golden set (as
    `ml.evaluation.metrics` writes them) where a monthly run measured it, and `golden` the name of
    that set; both None for a version trained by hand. `switches` are those that made it champion;
    `is_champion` is whether it is now.
    """

    model_hash: str
    registered_at: datetime
    card: Mapping[str, Any]
    measured: Mapping[str, Any] | None
    golden: str | None
    compared_with: str | None
    gates: tuple[Mapping[str, Any], ...]
    gate_decision: str | None
    is_champion: bool
    switches: tuple[Promotion, ...]


@dataclass(frozen=True)
class Waiting:
    """A monthly run whose candidate every gate let through, and which a person must answer."""

    run_id: str
    as_of: datetime
    candidate: str
    champion: str | None
    gates: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Overview:
    """All versions, the newest first; every switch, the first one first; who waits for a person."""

    versions: tuple[Version, ...]
    history: tuple[Promotion, ...]
    waiting: tuple[Waiting, ...]

    @property
    def champion(self) -> Version | None:
        """The version that the next night uses; None before the first promotion."""
        return next((version for version in self.versions if version.is_champion), None)


def overview(connection: Connection) -> Overview:
    """Everything about the versions, read in one transaction."""
    history = promotions(connection)
    rows = connection.execute(_versions().order_by(_v.registered_at.desc(), _v.model_hash))
    return Overview(
        versions=tuple(_version(row, history) for row in rows.mappings()),
        history=tuple(history),
        waiting=_waiting(connection),
    )


def one_version(connection: Connection, model_hash: str) -> Version | None:
    """One version; None where no such is registered."""
    row = connection.execute(_versions().where(_v.model_hash == model_hash)).mappings().first()
    return None if row is None else _version(row, promotions(connection))


def evaluation(connection: Connection, model_hash: str) -> dict[str, Any] | None:
    """The whole report of `ml.retraining.evaluate`; None where the version was never measured."""
    query = select(_v.evaluation).where(_v.model_hash == model_hash)
    found: dict[str, Any] | None = connection.execute(query).scalar()
    return found


def compared(connection: Connection, first: str, second: str) -> dict[str, Any] | None:
    """The report that measured one of two versions beside the other; None where no run did."""
    for candidate, other in ((first, second), (second, first)):
        report = evaluation(connection, candidate)
        if report is not None and report["champion"] == other:
            return report
    return None


def _versions() -> Select[Any]:
    # Of the report only what is shown: the whole has every slice and plot in it.
    return select(
        _v.model_hash,
        _v.registered_at,
        _v.card,
        _v.evaluation["sets"]["golden"]["candidate"].label("measured"),
        _v.evaluation["golden"]["name"].astext.label("golden"),
        _v.compared_with,
        _v.gates,
        _v.gate_decision,
        exists().where(champion.c.model_hash == _v.model_hash).label("is_champion"),
    )


def _version(row: RowMapping, history: list[Promotion]) -> Version:
    switches = tuple(s for s in history if s.model_hash == row["model_hash"])
    return Version(**{**row, "gates": tuple(row["gates"] or ())}, switches=switches)


def _waiting(connection: Connection) -> tuple[Waiting, ...]:
    run = retrain_run.c
    query = (
        select(
            run.run_id,
            run.as_of,
            run.candidate_hash.label("candidate"),
            run.champion_hash.label("champion"),
            _v.gates,
        )
        .join(model_version, _v.model_hash == run.candidate_hash)
        .where(
            run.state == "running",
            _v.gate_decision == "promote",
            # By another run's gates the candidate may have been compared with another champion.
            _v.compared_with.is_not_distinct_from(run.champion_hash),
            run.policy["retraining"]["approval"].astext == "person",
        )
        .order_by(run.started_at)
    )
    rows = connection.execute(query).mappings()
    return tuple(Waiting(**{**row, "gates": tuple(row["gates"] or ())}) for row in rows)
