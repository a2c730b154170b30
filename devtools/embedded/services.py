"""Start, stop and delete the two embedded servers of one data folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from devtools.embedded import state
from devtools.embedded.postgres import EmbeddedPostgres
from devtools.embedded.seaweedfs import EmbeddedSeaweedFS
from ml.core.errors import ServiceError
from ml.core.settings import EMBEDDED_SERVERS

DATABASE = "moderation"
AIRFLOW_DATABASE = "airflow"
# Longer than the start timeouts of both servers together.
LOCK_SECONDS = 180.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Services:
    """Addresses and credentials of the servers; `repr` hides secrets (URLs contain a password)."""

    database_url: str = field(repr=False)
    airflow_database_url: str = field(repr=False)
    s3_endpoint_url: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


def start(data_dir: Path) -> Services:
    """Start the servers that do not run and wait until both answer. Idempotent.

    Both servers outlive the caller. `services.json` (mode 0600) has their addresses and
    credentials. If one server fails to start, the other keeps running until `stop`.

    Args:
        data_dir: the servers' folder, ignored by git; created if missing.

    Raises:
        ServiceError: a server did not start; carries the last lines of its log and the remedy.
    """
    with _lock(data_dir):
        postgres, store = _servers(data_dir)
        started = not (postgres.is_running() and store.is_running())
        postgres.start()
        store.start()
        for database in (DATABASE, AIRFLOW_DATABASE):
            postgres.create_database(database)
        services = _connection_details(postgres, store)
        state.save(_services_file(data_dir), asdict(services))
    if started:
        _log.info("embedded servers started", data_dir=str(data_dir))
    return services


def stop(data_dir: Path) -> None:
    """Stop both servers and keep their data. Does nothing if none runs.

    Raises:
        ServiceError: a process could not be stopped.
    """
    if not data_dir.is_dir():
        return
    with _lock(data_dir):
        postgres, store = _servers(data_dir)
        store.stop()
        postgres.stop()
        _services_file(data_dir).unlink(missing_ok=True)


def remove(data_dir: Path) -> None:
    """Kill both servers and delete all their data.

    Deleting `data_dir` alone would leave a database cluster that root keeps outside of it (see
    `unprivileged`).

    Raises:
        ServiceError: a process could not be killed.
    """
    if not data_dir.is_dir():
        return
    with _lock(data_dir):
        for server in _servers(data_dir):
            server.remove()
        _services_file(data_dir).unlink(missing_ok=True)


def _servers(data_dir: Path) -> tuple[EmbeddedPostgres, EmbeddedSeaweedFS]:
    return EmbeddedPostgres(data_dir / "postgres"), EmbeddedSeaweedFS(data_dir / "seaweedfs")


def _services_file(data_dir: Path) -> Path:
    return data_dir / EMBEDDED_SERVERS


def _connection_details(postgres: EmbeddedPostgres, store: EmbeddedSeaweedFS) -> Services:
    return Services(
        database_url=postgres.url(DATABASE),
        airflow_database_url=postgres.url(AIRFLOW_DATABASE),
        s3_endpoint_url=store.endpoint_url,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
    )


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    """Hold the lock of this data folder, so that concurrent starts create one pair of servers."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir / "services.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise ServiceError(
            f"Another process has been starting or stopping the servers of {data_dir} for more "
            f"than {LOCK_SECONDS:.0f} s: find the one that holds services.lock there and stop it."
        ) from error
    except OSError as error:
        raise ServiceError(
            f"The servers' folder {data_dir} cannot be used: {error}. Set MODERATION_DATA_DIR to "
            "a writable folder."
        ) from error
