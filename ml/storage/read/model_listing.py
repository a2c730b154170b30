"""Model versions as the pages and the command line list them, and the origin of a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, exists, select

from ml.core.window import Window
from ml.storage.model_versions import Promotion, list_promotions, load_evaluation
from ml.storage.schema import (
    audit_result,
    audit_run,
    champion,
    label_snapshot,
    model_version,
    retrain_run,
)

_version = model_version.c


@dataclass(frozen=True)
class ModelListing:
    """A registered version.

    `card` is the JSON of the model card. `measured` are the metrics on the golden set (as
    `ml.models.evaluation.metrics` writes them) and `golden` is the name of that set; both are None
    for a version that no retraining run evaluated. `switches` are the promotions of this version.
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
class PendingApproval:
    """A retraining run whose candidate passed every gate and waits for an approver."""

    run_id: str
    as_of: datetime
    candidate: str
    champion: str | None
    gates: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Overview:
    """All versions, newest first; the promotion history, oldest first; pending approvals."""

    versions: tuple[ModelListing, ...]
    history: tuple[Promotion, ...]
    waiting: tuple[PendingApproval, ...]

    @property
    def champion(self) -> ModelListing | None:
        """The version that the next nightly run uses; None before the first promotion."""
        return next((version for version in self.versions if version.is_champion), None)


def load_overview(connection: Connection) -> Overview:
    """Everything about the versions, read in one transaction."""
    history = list_promotions(connection)
    newest_first = _listings().order_by(_version.registered_at.desc(), _version.model_hash)
    rows = connection.execute(newest_first).mappings()
    return Overview(
        versions=tuple(_listing(row, history) for row in rows),
        history=tuple(history),
        waiting=_pending_approvals(connection),
    )


def load_listing(connection: Connection, model_hash: str) -> ModelListing | None:
    """One version; None if it is not registered."""
    query = _listings().where(_version.model_hash == model_hash)
    row = connection.execute(query).mappings().first()
    return None if row is None else _listing(row, list_promotions(connection))


def load_comparison(connection: Connection, first: str, second: str) -> dict[str, Any] | None:
    """The report in which one of two versions was compared with the other; None without one."""
    for candidate, other in ((first, second), (second, first)):
        report = load_evaluation(connection, candidate)
        if report is not None and report["champion"] == other:
            return report
    return None


def _listings() -> Select[Any]:
    # Only the shown parts of the report: the whole of it holds every slice and plot.
    return select(
        _version.model_hash,
        _version.registered_at,
        _version.card,
        _version.evaluation["sets"]["golden"]["candidate"].label("measured"),
        _version.evaluation["golden"]["name"].astext.label("golden"),
        _version.compared_with,
        _version.gates,
        _version.gate_decision,
        exists().where(champion.c.model_hash == _version.model_hash).label("is_champion"),
    )


def _listing(row: RowMapping, history: list[Promotion]) -> ModelListing:
    own = tuple(promotion for promotion in history if promotion.model_hash == row["model_hash"])
    return ModelListing(**{**row, "gates": tuple(row["gates"] or ())}, switches=own)


def _pending_approvals(connection: Connection) -> tuple[PendingApproval, ...]:
    run = retrain_run.c
    query = (
        select(
            run.run_id,
            run.as_of,
            run.candidate_hash.label("candidate"),
            run.champion_hash.label("champion"),
            _version.gates,
        )
        .join(model_version, _version.model_hash == run.candidate_hash)
        .where(
            run.state == "running",
            _version.gate_decision == "promote",
            # The gates of another run may have compared the candidate with another champion.
            _version.compared_with.is_not_distinct_from(run.champion_hash),
            run.policy["retraining"]["approval"].astext == "person",
        )
        .order_by(run.started_at)
    )
    rows = connection.execute(query).mappings()
    return tuple(PendingApproval(**{**row, "gates": tuple(row["gates"] or ())}) for row in rows)


@dataclass(frozen=True)
class VerdictOrigin:
    """The outcome of a photo in one nightly run.

    `etag` distinguishes contents under one key. `decision` is None where the photo was quarantined
    or is still undecided, as `outcome` says. `judged_at` is the time of the verdict: earlier than
    the run itself where an earlier run scored the photo with this version and policy.
    """

    run_id: str
    window: Window
    model_hash: str
    policy_version: str
    etag: str
    outcome: str | None
    decision: str | None
    reasons: tuple[str, ...]
    judged_at: datetime | None


def verdict_origin(connection: Connection, object_key: str) -> list[VerdictOrigin]:
    """Every nightly run that covered a photo, oldest first; empty for an unknown key."""
    result, run = audit_result.c, audit_run.c
    names = ("run_id", "model_hash", "policy_version", "etag", "outcome", "decision", "judged_at")
    query = (
        select(*result[names], result.reasons, run.window_start, run.window_end)
        .join(audit_run, run.run_id == result.run_id)
        .where(result.object_key == object_key)
        .order_by(run.started_at, run.run_id)
    )
    return [_verdict_origin(dict(row)) for row in connection.execute(query).mappings()]


def _verdict_origin(row: dict[str, Any]) -> VerdictOrigin:
    window = Window(row.pop("window_start"), row.pop("window_end"))
    return VerdictOrigin(window=window, reasons=row.pop("reasons") or (), **row)


def find_report_hashes(connection: Connection, run_id: str) -> tuple[str, str] | None:
    """(candidate hash, golden-set hash) of a run; None until it has trained a candidate."""
    query = (
        select(retrain_run.c.candidate_hash, label_snapshot.c.golden_hash)
        .join(label_snapshot, label_snapshot.c.snapshot_hash == retrain_run.c.snapshot_hash)
        .where(retrain_run.c.run_id == run_id, retrain_run.c.candidate_hash.is_not(None))
    )
    row = connection.execute(query).first()
    return None if row is None else (row.candidate_hash, row.golden_hash)
