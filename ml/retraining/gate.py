"""Sixth step of the month: may the candidate be promoted? Writes the answer down, with reasons."""

from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from ml.connections import Connections
from ml.errors import ModelError, RunNotBegun
from ml.evaluation.promotion import gate
from ml.retraining.report_files import ReportFiles
from ml.retraining.report_page import render
from ml.settings import Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import model_version

log = structlog.get_logger()


def gate_candidate(
    run_id: str,
    *,
    settings: Settings,  # noqa: ARG001 - each step of the month takes the same parts
    connections: Connections,
) -> dict[str, Any]:
    """Judge the stored report by the run's policy; again gives the same answer.

    Writes `model_version.gates` and `gate_decision`, and the report's page once more, with the
    gates. On `hold` the run ends as `held`, with the failed gates named.

    Returns:
        `decision` ("promote" or "hold") and `gates`: name, passed, reason.

    Raises:
        RunNotBegun: the candidate is not evaluated yet.
        ModelError: the report compares with another champion than the run's.
    """
    run, report = in_transaction(connections.engine, lambda c: _load(c, run_id))
    gated = gate(report, run.policy).to_dict()
    files = ReportFiles(connections.models, report["candidate"], report["golden"]["hash"])
    shown = [sample["content_sha256"] for sample in report["sample_differences"]]
    files.put_page(render(report, files.get_pictures(report["plots"], shown), gated=gated))
    in_transaction(connections.engine, lambda c: _write(c, run, gated))
    log.info("candidate gated", run_id=run_id, decision=gated["decision"], failed=_failed(gated))
    return gated


def _load(connection: Connection, run_id: str) -> tuple[RetrainRun, dict[str, Any]]:
    run = retrain_runs.load(connection, run_id)
    query = select(model_version.c.evaluation).where(
        model_version.c.model_hash == run.candidate_hash
    )
    report: dict[str, Any] | None = connection.execute(query).scalar()
    if report is None:
        raise RunNotBegun(f"run {run_id} has no report yet: its `evaluate` did not finish")
    if report["champion"] != run.champion_hash:
        # Two runs may train the same candidate; the report is that of the one that came last.
        raise ModelError(
            f"the candidate's report compares with {report['champion']}, run {run_id} with "
            f"{run.champion_hash}: run `evaluate` again"
        )
    return run, report


def _write(connection: Connection, run: RetrainRun, gated: dict[str, Any]) -> None:
    connection.execute(
        update(model_version)
        .where(model_version.c.model_hash == run.candidate_hash)
        .values(gates=gated["gates"], gate_decision=gated["decision"])
    )
    if gated["decision"] == "hold":
        retrain_runs.finish(connection, run.run_id, "held", "; ".join(_failed(gated)))


def _failed(gated: dict[str, Any]) -> list[str]:
    return [f"{g['name']}: {g['reason']}" for g in gated["gates"] if not g["passed"]]
