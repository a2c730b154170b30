"""The embedded PostgreSQL 18: the commerce and the metadata database where none is given."""

import os
import secrets
import shutil
import signal
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from ml.embedded import process, state, unprivileged
from ml.embedded.ports import LOOPBACK, free_ports, is_free
from ml.errors import ServiceError

USER = "moderation"
# Replaying the log after a kill can take a while before the first connection is let in.
START_SECONDS = 60.0
STOP_SECONDS = 30.0

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
}


@dataclass(frozen=True)
class _Cluster:
    """`folder` is empty for `<data_dir>/cluster`, so that the data folder can be moved."""

    folder: str
    name: str
    password: str = field(repr=False)
    port: int


class EmbeddedPostgres:
    """One PostgreSQL server of our own on 127.0.0.1, with its data under `data_dir`.

    Callers start and stop it under a lock of theirs (see `services`). Reached by password
    (SCRAM-SHA-256, drawn at random) over TCP only; the password is in `state.json`, mode 0600.
    As root see `unprivileged` for where the cluster lies and whom it runs as.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._state = self._dir / "state.json"
        self.log = self._dir / "server.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers.

        Raises:
            ServiceError: it did not start; carries the last lines of its log.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        cluster = state.load(self._state, _Cluster) or self._draw()
        running = self._postmasters(cluster)
        pid = running[0].pid if running else self._launch(cluster)
        process.wait_until_ready(
            lambda: self._connect().close(),
            pid=pid,
            not_yet=(psycopg.OperationalError,),
            seconds=START_SECONDS,
            name="PostgreSQL",
            log=self.log,
        )

    def stop(self) -> None:
        """Stop the server if it runs; clients are cut off, committed work is kept.

        Raises:
            ServiceError: a process could not be ended.
        """
        cluster = state.load(self._state, _Cluster)
        if cluster is None:
            return
        # SIGINT is PostgreSQL's "fast" shutdown: no waiting for clients to leave.
        process.send(self._postmasters(cluster), signal.SIGINT, wait=STOP_SECONDS)
        self._end_leftovers(cluster)

    def remove(self) -> None:
        """End the server at once and delete all its data, also those outside `data_dir`.

        Raises:
            ServiceError: a process could not be ended.
        """
        cluster = state.load(self._state, _Cluster)
        if cluster is not None:
            self._end_leftovers(cluster)
            shutil.rmtree(self._folder(cluster), ignore_errors=True)
        shutil.rmtree(self._dir, ignore_errors=True)

    @property
    def cluster_dir(self) -> Path:
        """Folder that holds the database files; outside `data_dir` where `unprivileged` says so.

        Raises:
            ServiceError: the server was never started.
        """
        return self._folder(self._known())

    def is_running(self) -> bool:
        """Say whether the server's process lives."""
        cluster = state.load(self._state, _Cluster)
        return cluster is not None and bool(self._postmasters(cluster))

    def url(self, database: str) -> str:
        """SQLAlchemy URL, with the password, of one database of this server.

        Raises:
            ServiceError: the server was never started.
        """
        known = self._known()
        return f"postgresql+psycopg://{USER}:{known.password}@{LOOPBACK}:{known.port}/{database}"

    def create_database(self, database: str) -> None:
        """Create an empty database unless it is there."""
        with self._connect() as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [database]
            ).fetchone()
            if found is None:
                name = sql.Identifier(database)
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    def _known(self) -> _Cluster:
        cluster = state.load(self._state, _Cluster)
        if cluster is None:
            raise ServiceError(f"No embedded PostgreSQL under {self._dir}: start it first.")
        return cluster

    def _folder(self, cluster: _Cluster) -> Path:
        return Path(cluster.folder) if cluster.folder else self._dir / "cluster"

    def _connect(self) -> psycopg.Connection:
        known = self._known()
        return psycopg.connect(
            host=LOOPBACK,
            port=known.port,
            user=USER,
            password=known.password,
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        )

    def _draw(self) -> _Cluster:
        inside = self._dir / "cluster"
        if (inside / "pgdata").exists():
            raise ServiceError(
                f"{self._state} is gone, and with it the password of the database in {inside}. "
                "Restore it, or move that folder away to begin with an empty database."
            )
        folder = unprivileged.make_cluster_folder(self._dir)
        cluster = _Cluster(
            folder="" if folder == inside else str(folder),
            name=f"review-photos-{secrets.token_hex(8)}",
            password=secrets.token_hex(24),
            port=free_ports(1)[0],
        )
        # Before initdb: a password that exists only in a killed process would lock us out.
        state.save(self._state, asdict(cluster))
        return cluster

    def _launch(self, cluster: _Cluster) -> int:
        """Start the server process; returns its pid."""
        folder = self._folder(cluster)
        if not folder.is_dir():
            raise ServiceError(
                f"The database folder {folder} is gone. Restore it, or delete {self._state} to "
                "begin with an empty database."
            )
        if not (folder / "pgdata").exists():
            _initdb(folder, cluster.password)
        self._end_leftovers(cluster)
        # Its process is gone, yet its pid may belong to a stranger since a reboot: PostgreSQL
        # would then take the stranger for a running server and refuse to start.
        (folder / "pgdata" / "postmaster.pid").unlink(missing_ok=True)
        if not is_free(cluster.port):
            cluster = replace(cluster, port=free_ports(1)[0])
            state.save(self._state, asdict(cluster))
        return process.launch(
            _command(folder, cluster),
            log=self.log,
            cwd=Path("/"),
            account=unprivileged.account_for(folder),
        )

    def _postmasters(self, cluster: _Cluster) -> list[psutil.Process]:
        return process.find(lambda command: f"cluster_name={cluster.name}" in command)

    def _end_leftovers(self, cluster: _Cluster) -> None:
        """End what a killed server left: its workers still hold the shared memory and files."""

        def is_ours(command: list[str]) -> bool:
            # Workers rename themselves to "postgres: <cluster_name>: <what they do>".
            is_postgres = Path(command[0]).name.startswith("postgres")
            return is_postgres and any(cluster.name in word for word in command)

        # SIGQUIT is PostgreSQL's "immediate" shutdown.
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if process.send(process.find(is_ours), number, wait=5.0):
                return
        raise ServiceError(f"PostgreSQL processes of {self._dir} could not be ended.")


def _initdb(folder: Path, password: str) -> None:
    """Create the database files; all of them or none (a killed run is begun anew)."""
    account = unprivileged.account_for(folder)
    unfinished = folder / "new"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8") as file:
        file.write(password)
        file.flush()
        if account:
            os.chown(file.fileno(), account.uid, account.gid)
        process.run(
            [
                str(unprivileged.programs() / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ],
            cwd=Path("/"),
            account=account,
        )
    unfinished.rename(folder / "pgdata")


def _command(folder: Path, cluster: _Cluster) -> list[str]:
    settings = _SETTINGS | {"port": str(cluster.port), "cluster_name": cluster.name}
    server = [str(unprivileged.programs() / "postgres"), "-D", str(folder / "pgdata")]
    return server + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
