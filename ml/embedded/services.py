"""Start, stop and look at both embedded servers of one data folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from ml.embedded import state
from ml.embedded.postgres import EmbeddedPostgres
from ml.embedded.seaweedfs import EmbeddedSeaweedFS
from ml.errors import ServiceError

DATABASE = "moderation"
AIRFLOW_DATABASE = "airflow"
# Longer than both servers may take to start.
LOCK_SECONDS = 180.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Services:
    """How to reach the embedded servers; `repr` shows no secret (the URLs hold the password)."""

    database_url: str = field(repr=False)
    airflow_database_url: str = field(repr=False)
    s3_endpoint_url: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Status:
    """What runs now; `services` is None unless both servers do."""

    postgres_running: bool
    s3_running: bool
    services: Services | None


def start(data_dir: Path) -> Services:
    """Start what does not run yet and wait until both servers answer; safe to call at any time.

    Both servers outlive the caller. `services.json` (mode 0600) says how to reach them. If one
    server fails to start, the other is left running; `stop` ends it.

    Args:
        data_dir: folder of our own, ignored by git; made if missing.

    Raises:
        ServiceError: a server did not start; carries the last lines of its log and the remedy.
    """
    with _alone(data_dir):
        postgres, store = _servers(data_dir)
        began = not (postgres.is_running() and store.is_running())
        postgres.start()
        store.start()
        for database in (DATABASE, AIRFLOW_DATABASE):
            postgres.create_database(database)
        services = _describe(postgres, store)
        state.save(_file(data_dir), asdict(services))
    if began:
        _log.info("embedded servers started", data_dir=str(data_dir))
    return services


def stop(data_dir: Path) -> None:
    """Stop both servers; their data stay. Does nothing where none run.

    Raises:
        ServiceError: a process could not be ended.
    """
    if not data_dir.is_dir():
        return
    with _alone(data_dir):
        postgres, store = _servers(data_dir)
        store.stop()
        postgres.stop()
        _file(data_dir).unlink(missing_ok=True)


def remove(data_dir: Path) -> None:
    """End both servers and delete all their data, for throw-away folders and a fresh start.

    Deleting `data_dir` alone would leave root's database cluster behind where that lies outside
    (see `unprivileged`).

    Raises:
        ServiceError: a process could not be ended.
    """
    if not data_dir.is_dir():
        return
    with _alone(data_dir):
        for server in _servers(data_dir):
            server.remove()
        _file(data_dir).unlink(missing_ok=True)


def status(data_dir: Path) -> Status:
    """Say what runs, without starting anything."""
    postgres, store = _servers(data_dir)
    both = postgres.is_running(), store.is_running()
    return Status(*both, services=state.load(_file(data_dir), Services) if all(both) else None)


def _servers(data_dir: Path) -> tuple[EmbeddedPostgres, EmbeddedSeaweedFS]:
    return EmbeddedPostgres(data_dir / "postgres"), EmbeddedSeaweedFS(data_dir / "seaweedfs")


def _file(data_dir: Path) -> Path:
    return data_dir / "services.json"


def _describe(postgres: EmbeddedPostgres, store: EmbeddedSeaweedFS) -> Services:
    return Services(
        database_url=postgres.url(DATABASE),
        airflow_database_url=postgres.url(AIRFLOW_DATABASE),
        s3_endpoint_url=store.endpoint_url,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
    )


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Hold the lock of this data folder: two starters at once give one pair of servers."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir / "services.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise ServiceError(
            f"Another process has been starting or stopping the servers of {data_dir} for more "
            f"than {LOCK_SECONDS:.0f} s: see which one holds services.lock there, and end it."
        ) from error
    except OSError as error:
        raise ServiceError(
            f"The servers' folder {data_dir} cannot be used: {error}. Name one that you may "
            "write in MODERATION_DATA_DIR."
        ) from error
