"""The schema `moderation` into one file of `pg_dump`, and back in one transaction."""

import os
import subprocess
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, text

from ml.backup.programs import client_program, server_major
from ml.errors import BackupError
from ml.storage.database import in_transaction

SCHEMA = "moderation"


def dump_schema(engine: Engine, file: Path) -> None:
    """Write the schema as of one moment, with its data; writers need not wait.

    Raises:
        BackupError: there is no `pg_dump` for this server, or it failed.
    """
    program = client_program("pg_dump", in_transaction(engine, server_major))
    _run(
        [program, f"--schema={SCHEMA}", "--format=custom", "--no-owner", "--no-privileges",
         f"--file={file}", f"--dbname={_place(engine)}"],
        engine,
    )  # fmt: skip


def restore_schema(engine: Engine, file: Path) -> None:
    """Make the schema from a dump: all of it, or nothing.

    Raises:
        BackupError: the schema holds something already, or `pg_restore` failed.
    """
    has_schema = in_transaction(engine, _has_empty_schema)
    program = client_program("pg_restore", in_transaction(engine, server_major))
    listed = _run([program, "--list", str(file)], engine)
    # Where only an administrator may create a schema, it is there, empty.
    wanted = [
        line for line in listed.splitlines() if not (has_schema and f" SCHEMA - {SCHEMA} " in line)
    ]
    chosen = file.with_suffix(".list")
    chosen.write_text("\n".join(wanted), encoding="utf-8")
    try:
        _run(
            [program, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
             f"--use-list={chosen}", f"--dbname={_place(engine)}", str(file)],
            engine,
        )  # fmt: skip
    finally:
        chosen.unlink()


def _has_empty_schema(connection: Connection) -> bool:
    """Whether there is the schema, and nothing in it."""
    values = {"schema": SCHEMA}
    schemas = text("select 1 from pg_namespace where nspname = :schema")
    tables = text(
        "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = :schema"
    )
    if connection.execute(tables, values).scalar_one():
        raise BackupError(
            f"the database has a schema `{SCHEMA}` with tables: nothing is written over. Name an "
            f"empty database, or rename it (`alter schema {SCHEMA} rename to {SCHEMA}_before`)"
        )
    return connection.execute(schemas, values).first() is not None


def _place(engine: Engine) -> str:
    """Where the database is, without the password, which others could read in the process list."""
    url = engine.url
    known = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    query = url.query.items()  # such as sslmode
    options = {n: value if isinstance(value, str) else ",".join(value) for n, value in query}
    return make_conninfo("", **known, **options)


def _run(command: list[str], engine: Engine) -> str:
    """Run one of PostgreSQL's programs; returns what it printed."""
    password = engine.url.password
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(  # noqa: S603 - a path that we looked up, arguments of our own
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
    return done.stdout
