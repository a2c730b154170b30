"""Embedded PostgreSQL 18 for the commerce database and Airflow's metadata."""

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

from devtools.embedded import process, state, unprivileged
from devtools.embedded.ports import LOOPBACK, free_ports, is_port_free
from ml.core.errors import ServiceError

USER = "moderation"
# After a kill, PostgreSQL replays its write-ahead log before it accepts connections.
START_SECONDS = 60.0
STOP_SECONDS = 30.0

_SERVER_SETTINGS = {
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
    """State between starts; `folder` is empty for `<data_dir>/cluster`: it may be moved."""

    folder: str
    name: str
    password: str = field(repr=False)
    port: int


class EmbeddedPostgres:
    """A PostgreSQL server on 127.0.0.1 with its data under `data_dir`.

    The caller holds a lock (see `services`). Connections are TCP only, with a random password
    (SCRAM-SHA-256) that is stored in `state.json`, mode 0600. `unprivileged` says where the cluster
    is and which user runs it if the caller is root.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._state_file = self._dir / "state.json"
        self.log = self._dir / "server.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it accepts connections.

        Raises:
            ServiceError: it did not start; carries the last lines of its log.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        cluster = state.load(self._state_file, _Cluster) or self._create_state()
        running = self._postmasters(cluster)
        pid = running[0].pid if running else self._launch(cluster)
        process.wait_until_ready(
            lambda: self._connect().close(),
            pid=pid,
            retry_on=(psycopg.OperationalError,),
            seconds=START_SECONDS,
            name="PostgreSQL",
            log=self.log,
        )

    def stop(self) -> None:
        """Stop the server if it runs; clients are disconnected, committed data is kept.

        Raises:
            ServiceError: a process could not be stopped.
        """
        cluster = state.load(self._state_file, _Cluster)
        if cluster is None:
            return
        # SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients to disconnect.
        process.signal_and_wait(self._postmasters(cluster), signal.SIGINT, wait=STOP_SECONDS)
        self._kill_leftovers(cluster)

    def remove(self) -> None:
        """Kill the server and delete all its data, including a cluster outside `data_dir`.

        Raises:
            ServiceError: a process could not be killed.
        """
        cluster = state.load(self._state_file, _Cluster)
        if cluster is not None:
            self._kill_leftovers(cluster)
            shutil.rmtree(self._folder(cluster), ignore_errors=True)
        shutil.rmtree(self._dir, ignore_errors=True)

    @property
    def cluster_dir(self) -> Path:
        """Folder of the database files; `unprivileged` says when it is outside `data_dir`.

        Raises:
            ServiceError: the server was never started.
        """
        return self._folder(self._require_state())

    def is_running(self) -> bool:
        """Return whether the server's process runs."""
        cluster = state.load(self._state_file, _Cluster)
        return cluster is not None and bool(self._postmasters(cluster))

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL, with the password, of one database of this server.

        Raises:
            ServiceError: the server was never started.
        """
        known = self._require_state()
        return f"postgresql+psycopg://{USER}:{known.password}@{LOOPBACK}:{known.port}/{database}"

    def create_database(self, database: str) -> None:
        """Create an empty database unless it exists."""
        with self._connect() as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [database]
            ).fetchone()
            if found is None:
                name = sql.Identifier(database)
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    def _require_state(self) -> _Cluster:
        cluster = state.load(self._state_file, _Cluster)
        if cluster is None:
            raise ServiceError(f"No embedded PostgreSQL under {self._dir}: start it first.")
        return cluster

    def _folder(self, cluster: _Cluster) -> Path:
        return Path(cluster.folder) if cluster.folder else self._dir / "cluster"

    def _connect(self) -> psycopg.Connection:
        known = self._require_state()
        return psycopg.connect(
            host=LOOPBACK,
            port=known.port,
            user=USER,
            password=known.password,
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        )

    def _create_state(self) -> _Cluster:
        inside = self._dir / "cluster"
        if (inside / "pgdata").exists():
            raise ServiceError(
                f"{self._state_file} is missing, and with it the password of the database in "
                f"{inside}. Restore it, or move that folder away to start with an empty database."
            )
        folder = unprivileged.make_cluster_folder(self._dir)
        cluster = _Cluster(
            folder="" if folder == inside else str(folder),
            name=f"review-photos-{secrets.token_hex(8)}",
            password=secrets.token_hex(24),
            port=free_ports(1)[0],
        )
        # Saved before initdb: if this process is killed, the password must not be lost.
        state.save(self._state_file, asdict(cluster))
        return cluster

    def _launch(self, cluster: _Cluster) -> int:
        """Start the server process; returns its pid."""
        folder = self._folder(cluster)
        if not folder.is_dir():
            raise ServiceError(
                f"The database folder {folder} is missing. Restore it, or delete "
                f"{self._state_file} to start with an empty database."
            )
        if not (folder / "pgdata").exists():
            _initdb(folder, cluster.password)
        self._kill_leftovers(cluster)
        # After a reboot its old pid may belong to another process, which PostgreSQL would take
        # for a running server and refuse to start.
        (folder / "pgdata" / "postmaster.pid").unlink(missing_ok=True)
        if not is_port_free(cluster.port):
            cluster = replace(cluster, port=free_ports(1)[0])
            state.save(self._state_file, asdict(cluster))
        return process.launch(
            _server_command(folder, cluster),
            log=self.log,
            cwd=Path("/"),
            os_user=unprivileged.os_user_for(folder),
        )

    def _postmasters(self, cluster: _Cluster) -> list[psutil.Process]:
        return process.find_processes(lambda command: f"cluster_name={cluster.name}" in command)

    def _kill_leftovers(self, cluster: _Cluster) -> None:
        """Kill the workers of a killed server, which still hold shared memory and files."""

        def is_ours(command: list[str]) -> bool:
            # Workers rename themselves to "postgres: <cluster_name>: <activity>".
            is_postgres = Path(command[0]).name.startswith("postgres")
            return is_postgres and any(cluster.name in word for word in command)

        # SIGQUIT is PostgreSQL's "immediate" shutdown.
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if process.signal_and_wait(process.find_processes(is_ours), number, wait=5.0):
                return
        raise ServiceError(f"PostgreSQL processes of {self._dir} could not be killed.")


def _initdb(folder: Path, password: str) -> None:
    """Create the database files atomically; an interrupted run is started again."""
    os_user = unprivileged.os_user_for(folder)
    unfinished = folder / "new"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8") as file:
        file.write(password)
        file.flush()
        if os_user:
            os.chown(file.fileno(), os_user.uid, os_user.gid)
        process.run_command(
            [
                str(unprivileged.programs_folder() / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ],
            cwd=Path("/"),
            os_user=os_user,
        )
    unfinished.rename(folder / "pgdata")


def _server_command(folder: Path, cluster: _Cluster) -> list[str]:
    settings = _SERVER_SETTINGS | {"port": str(cluster.port), "cluster_name": cluster.name}
    server = [str(unprivileged.programs_folder() / "postgres"), "-D", str(folder / "pgdata")]
    return server + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
