import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from devtools.embedded import unprivileged
from devtools.embedded.postgres import EmbeddedPostgres
from ml.core.errors import ServiceError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(open_folder / "postgres")
    yield server
    server.remove()


def connect(server: EmbeddedPostgres) -> psycopg.Connection:
    url = server.url("postgres").replace("+psycopg", "")
    return psycopg.connect(url, autocommit=True)


def ask(server: EmbeddedPostgres, query: str) -> list[tuple]:
    with connect(server) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def postmaster(server: EmbeddedPostgres) -> psutil.Process:
    (process,) = server._postmasters(server._require_state())
    return process


def test_postgres_has_the_configured_settings(server: EmbeddedPostgres) -> None:
    server.start()
    names = ["fsync", "max_connections", "shared_buffers", "TimeZone", "server_encoding"]
    shown = [ask(server, f"SHOW {name}")[0][0] for name in names]
    assert shown == ["on", "200", "128MB", "UTC", "UTF8"]
    assert ask(server, "SHOW server_version_num")[0][0].startswith("18")
    assert ask(server, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == [("C",)]


def test_second_start_reuses_the_postgres_server(server: EmbeddedPostgres) -> None:
    server.start()
    first = postmaster(server).pid
    server.start()
    assert postmaster(server).pid == first


def test_postgres_listens_on_loopback_only(server: EmbeddedPostgres) -> None:
    server.start()
    listening = [
        each.laddr.ip
        for each in postmaster(server).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    assert ask(server, "SHOW unix_socket_directories") == [("",)]


def test_wrong_or_missing_password_is_rejected(server: EmbeddedPostgres) -> None:
    server.start()
    password = server._require_state().password
    for wrong in ("wrong", ""):
        url = server.url("postgres").replace("+psycopg", "").replace(password, wrong)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url)
    (kept,) = ask(server, "SELECT rolpassword FROM pg_authid WHERE rolname = 'moderation'")[0]
    assert kept.startswith("SCRAM-SHA-256$")


def test_password_file_is_private(server: EmbeddedPostgres) -> None:
    server.start()
    known = server._require_state()
    assert stat.S_IMODE(server._state_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.cluster_dir.stat().st_mode) == 0o700
    assert known.password not in repr(known)
    assert known.password not in " ".join(postmaster(server).cmdline())
    assert sorted(path.name for path in server.cluster_dir.iterdir()) == ["pgdata"]


def test_create_database_is_idempotent(server: EmbeddedPostgres) -> None:
    server.start()
    server.create_database("twice")
    server.create_database("twice")
    assert ask(server, "SELECT count(*) FROM pg_database WHERE datname = 'twice'") == [(1,)]


def test_restart_with_a_connected_client_keeps_data(server: EmbeddedPostgres) -> None:
    server.start()
    ask(server, "CREATE TABLE restarted AS SELECT 7 AS n")
    with connect(server):
        server.stop()
    assert not server.is_running()
    server.start()
    assert ask(server, "SELECT n FROM restarted") == [(7,)]


def test_start_after_kill_9_ignores_a_reused_pid(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    ask(server, "CREATE TABLE killed AS SELECT 8 AS n")
    os.kill(postmaster(server).pid, signal.SIGKILL)
    account = unprivileged.os_user_for(server.cluster_dir)
    user = {"user": account.uid} if account else {}
    # PostgreSQL checks whether the pid of its lock file exists, not whether it is PostgreSQL.
    with subprocess.Popen(["sleep", "60"], **user) as stranger:
        lock = server.cluster_dir / "pgdata" / "postmaster.pid"
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        server.start()
        assert stranger.poll() is None
        stranger.kill()
    assert ask(server, "SELECT n FROM killed") == [(8,)]


def test_start_chooses_another_port_if_the_old_one_is_in_use(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    old = server._require_state().port
    with socket.create_server(("127.0.0.1", old)):
        server.start()
        assert server._require_state().port != old
        assert ask(server, "SELECT 1") == [(1,)]


def test_failed_postgres_start_shows_log_and_remedy(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    settings = server.cluster_dir / "pgdata" / "postgresql.auto.conf"
    kept = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(ServiceError, match=r"(?s)ended while starting.*no_such_setting.*Fix"):
        server.start()
    settings.write_text(kept)


def test_start_without_state_file_refuses_to_replace_the_data(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    kept = server._state_file.read_text()
    server._state_file.unlink()
    with pytest.raises(ServiceError, match="and with it the password"):
        server.start()
    server._state_file.write_text(kept)


def test_damaged_state_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"port": 1}')
    with pytest.raises(ServiceError, match=r"state\.json cannot be read"):
        EmbeddedPostgres(tmp_path).start()


@pytest.mark.usefixtures("as_root")
def test_root_starts_postgres_from_a_closed_checkout(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "SHARED_FOLDER", open_folder / "open")
    monkeypatch.setattr(unprivileged, "_is_reachable_by_nobody", lambda _: False)
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data")
    try:
        server.start()
        assert server.cluster_dir.is_relative_to(open_folder / "open")
        assert postmaster(server).uids().real == 65534
        assert Path(postmaster(server).cmdline()[0]).is_relative_to(open_folder / "open")
        assert ask(server, "SELECT 1") == [(1,)]
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.remove()
    assert [path.name[:8] for path in (open_folder / "open").iterdir()] == ["programs"]
