"""Health checks of Airflow itself, and all checks in an Airflow process."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import httpx
import redis
import typer
from rich.console import Console
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from ml.core.errors import SettingsError
from ml.core.settings import ROOT, load_settings
from ml.operations.doctor.check import (
    Check,
    CheckStatus,
    Finding,
    Outcome,
    failed,
    ok,
    run_checks,
    skipped,
)
from ml.operations.doctor.runner import library_findings, show
from moderation_airflow.connections import task_settings
from moderation_airflow.runs import CONNECTION_ID, open_api_client

COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
REPLY_SECONDS = 3.0


def airflow() -> Finding:
    """Log in as the DAGs' account and ask for the health of each component."""
    try:
        with open_api_client() as client:
            health = client.get("/api/v2/monitor/health").raise_for_status().json()
    except SettingsError as error:
        return skipped(str(error))
    except httpx.HTTPStatusError as error:
        return failed(
            f"{error.request.url} answers {error.response.status_code}",
            remedy=f"fix login and password of the Airflow connection {CONNECTION_ID}",
        )
    except httpx.HTTPError as error:
        return failed(
            f"Airflow does not answer: {error}",
            remedy=f"start the API server, or fix host and port of the connection {CONNECTION_ID}",
        )
    # A component that was never started has no status: not every installation needs all.
    states = {name: (health.get(name) or {}).get("status") for name in COMPONENTS}
    unhealthy = [name for name, state in states.items() if state not in ("healthy", None)]
    if unhealthy:
        return failed(f"not healthy: {', '.join(unhealthy)}", remedy="restart it; its log says why")
    return ok(f"healthy: {', '.join(name for name, state in states.items() if state)}")


def pool() -> Finding:
    """Look for the pool that `preflight` and `score_shard` run in."""
    name = load_settings().gpu_pool
    create = f'airflow pools set {name} 1 "scoring tasks" (one slot a GPU)'
    with open_api_client() as client:
        answer = client.get(f"/api/v2/pools/{name}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return failed(f"there is no pool {name}: tasks would stay scheduled", remedy=create)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        message = f"the account of {CONNECTION_ID} may not read pools"
        return failed(message, remedy="give it the role `user` or more")
    slots = answer.raise_for_status().json()["slots"]
    if slots == 0:
        return failed(f"the pool {name} has no slot", remedy=create)
    return ok(f"{name}: {'no limit' if slots < 0 else f'{slots} slots'}")


def broker() -> Finding:
    """Ask Redis for its version. Any other broker is checked through its workers alone."""
    from airflow.configuration import conf

    if "CeleryExecutor" not in conf.get("core", "executor"):
        return skipped("the executor is not CeleryExecutor")
    url = conf.get("celery", "broker_url")
    if not url.startswith(("redis://", "rediss://")):
        return ok("not a Redis: see the check `workers`")
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=REPLY_SECONDS) as client:
            version = client.info("server")["redis_version"]
    except redis.AuthenticationError as error:
        remedy = "fix the password in AIRFLOW__CELERY__BROKER_URL"
        return failed(f"Redis rejects the password: {error}", remedy=remedy)
    except redis.RedisError as error:
        remedy = "start it, or fix host and port in AIRFLOW__CELERY__BROKER_URL"
        return failed(f"Redis does not answer: {error}", remedy=remedy)
    return ok(f"Redis {version}")


def result_backend() -> Finding:
    """Log in to Celery's result backend, if that is a database."""
    from airflow.providers.celery.executors.celery_executor import app

    url = str(app.conf.result_backend)
    if not url.startswith("db+"):
        return skipped("not a database")
    engine = create_engine(url.removeprefix("db+"), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    except SQLAlchemyError as error:
        remedy = "fix AIRFLOW__CELERY__RESULT_BACKEND"
        return failed(f"the result backend does not answer: {error}", remedy=remedy)
    return ok("the database answers")


def workers() -> Finding:
    """Ask all workers for their queues: each queue of ours needs at least one."""
    from airflow.configuration import conf
    from airflow.providers.celery.executors.celery_executor import app

    needed = {conf.get("operators", "default_queue"), load_settings().gpu_queue}
    answers = app.control.inspect(timeout=REPLY_SECONDS).active_queues() or {}
    served = {queue["name"] for queues in answers.values() for queue in queues}
    if missing := sorted(needed - served):
        remedy = f"airflow celery worker --queues {missing[0]}"
        return failed(f"no worker of queue {', '.join(missing)}", remedy=remedy)
    return ok(f"{len(answers)} workers serve {', '.join(sorted(needed))}")


def dag_files() -> Finding:
    """Parse Airflow's DAG folder in this process, and look for each of our DAGs."""
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import DagBag

    folder = conf.get("core", "dags_folder")
    bag = DagBag(folder)
    if bag.import_errors:
        broken = [
            f"{Path(file).name}: {trace.strip().splitlines()[-1]}"
            for file, trace in bag.import_errors.items()
        ]
        remedy = "fix what the message names: mostly a setting, or a missing PYTHONPATH"
        return failed("; ".join(sorted(broken)), remedy=remedy)
    missing = sorted({file.stem for file in (ROOT / "dags").glob("*.py")} - set(bag.dags))
    if missing:
        remedy = f"set AIRFLOW__CORE__DAGS_FOLDER to {ROOT / 'dags'}"
        return failed(f"{folder} has no DAG {', '.join(missing)}", remedy=remedy)
    return ok(f"{len(bag.dags)} DAGs in {folder}")


def airflow_checks() -> list[Check]:
    """The checks of Airflow itself."""
    return [
        Check("DAG files", dag_files),
        Check("Airflow", airflow),
        Check("pool", pool, needs=("Airflow",)),
        Check("broker", broker),
        Check("result backend", result_backend, needs=("broker",)),
        Check("workers", workers, needs=("broker",)),
    ]


def findings(*, predict_url: str | None = None) -> Iterator[Outcome]:
    """The library's findings, then Airflow's; only the former where settings are wrong."""
    library = library_findings(predict_url=predict_url, load=task_settings)
    name, finding = next(library)
    yield name, finding
    if finding.state is CheckStatus.OK:
        yield from chain(library, run_checks(airflow_checks()))


def main(
    predict_url: Annotated[
        str | None, typer.Option(help="Where /predict answers, to be asked, too.")
    ] = None,
) -> None:
    """Check a deployment with its Airflow; exit 1 on a failure."""
    # Airflow logs every file that it parses; the table shows the broken ones.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    # Connections may be in the metadata database, which Airflow asks in its own processes only.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    if not show(findings(predict_url=predict_url), Console()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
