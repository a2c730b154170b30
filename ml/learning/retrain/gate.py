"""Sixth step of a retraining run: decide by the gates whether the candidate may be promoted."""

from typing import Any

import structlog
from sqlalchemy import Connection

from ml.core.errors import ModelError, RunNotStarted
from ml.learning.report.page import ReportFiles, render
from ml.models.evaluation.gates import gate
from ml.storage import model_versions, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()


def gate_candidate(run_id: str, *, connections: Connections) -> dict[str, Any]:
    """Apply the gates of the run's policy to the stored report. Idempotent.

    Writes `model_version.gates` and `gate_decision`, and renders the report's page again with the
    gates. On `hold` the run ends as `held`, with the failed gates named. Returns `decision`
    ("promote" or "hold") and `gates`: name, passed, reason.

    Raises:
        RunNotStarted: the candidate is not evaluated yet.
        ModelError: the report compares with another champion than the run's.
    """
    run, report = in_transaction(connections.engine, lambda c: _load(c, run_id))
    gated = gate(report, run.policy).to_dict()
    files = ReportFiles(connections.models, report["candidate"], report["golden"]["hash"])
    shown = [sample["content_sha256"] for sample in report["sample_differences"]]
    files.put_page(render(report, files.get_pictures(report["plots"], shown), gated=gated))
    decision = gated["decision"]
    failed = [f"{g['name']}: {g['reason']}" for g in gated["gates"] if not g["passed"]]

    def write(connection: Connection) -> None:
        values = {"gates": gated["gates"], "gate_decision": decision}
        model_versions.set_values(connection, run.candidate_hash, **values)
        if decision == "hold":
            retrain_runs.finish(connection, run_id, "held", "; ".join(failed))

    in_transaction(connections.engine, write)
    log.info("candidate gated", run_id=run_id, decision=decision, failed=failed)
    return gated


def _load(connection: Connection, run_id: str) -> tuple[RetrainRun, dict[str, Any]]:
    run = retrain_runs.load(connection, run_id)
    report = model_versions.load_evaluation(connection, run.candidate_hash)
    if report is None:
        raise RunNotStarted(f"run {run_id} has no report yet: its `evaluate` did not finish")
    if report["champion"] != run.champion_hash:
        # Two runs may train the same candidate; the report is that of the later one.
        raise ModelError(
            f"the candidate's report compares with {report['champion']}, run {run_id} with "
            f"{run.champion_hash}: run `evaluate` again"
        )
    return run, report
