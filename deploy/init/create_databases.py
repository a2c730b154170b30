"""Create the roles and databases of the bundled PostgreSQL with least privilege. Idempotent.

Run `create_databases.py create` before the migrations, `create_databases.py reference-shop` after
them. A database on another server (by the URL of its secret) is left to its administrators.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, create_engine, make_url

from ml.storage.database import COMMERCE_REFERENCE, migrate

HOST, PORT = "postgres", 5432  # the service's name in docker-compose.yaml
SUPERUSER = "postgres"
WRITABLE_COLUMNS = ("moderation_status", "moderated_at")  # docs/data_contract.md


@dataclass(frozen=True)
class Roles:
    """The URLs of the three roles, and `admin`, that of the bundled server's superuser."""

    admin: URL
    airflow: URL
    moderation: URL
    commerce: URL

    def is_bundled(self, url: URL) -> bool:
        """Return whether a URL is that of the bundled server."""
        return (url.host, url.port or PORT) == (self.admin.host, self.admin.port or PORT)


def create_databases(roles: Roles) -> None:
    """Create the roles with their passwords, and two databases that only their roles may enter."""
    with _connect(roles.admin) as connection:
        for url in filter(roles.is_bundled, (roles.airflow, roles.commerce, roles.moderation)):
            _create_or_update_role(connection, url)
        for url in filter(roles.is_bundled, (roles.airflow, roles.commerce)):
            _create_database(connection, url)
        _execute(connection, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", _database_of(roles.admin))
        if not roles.is_bundled(roles.moderation):
            return
        commerce = _database_of(roles.moderation)
        # A nightly run lists photos into temporary tables.
        rights = "CONNECT, TEMPORARY ON DATABASE"
        _execute(connection, f"GRANT {rights} {{}} TO {{}}", commerce, _user_of(roles.moderation))
    # The schema is created for its owner, who then needs no privilege to create schemas.
    with _connect(roles.admin, roles.moderation.database) as connection:
        owner = _user_of(roles.moderation)
        _execute(connection, "CREATE SCHEMA IF NOT EXISTS moderation AUTHORIZATION {}", owner)


def create_reference_shop(roles: Roles) -> None:
    """Create the reference commerce table, owned by `shop`; `moderation` may write two columns."""
    engine = create_engine(
        roles.admin.set(drivername="postgresql+psycopg", database=roles.commerce.database)
    )
    migrate(engine, COMMERCE_REFERENCE)
    engine.dispose()
    owner, reader = _user_of(roles.commerce), _user_of(roles.moderation)
    columns = sql.SQL(", ").join(map(sql.Identifier, WRITABLE_COLUMNS))
    table = sql.SQL("commerce.review_image")
    with _connect(roles.admin, roles.commerce.database) as connection:
        _execute(connection, "ALTER SCHEMA commerce OWNER TO {}", owner)
        _execute(connection, "ALTER TABLE {} OWNER TO {}", table, owner)
        _execute(connection, "GRANT USAGE ON SCHEMA commerce TO {}", reader)
        _execute(connection, "GRANT SELECT, UPDATE ({}) ON {} TO {}", columns, table, reader)


def _create_or_update_role(connection: psycopg.Connection, url: URL) -> None:
    user, password = _user_of(url), sql.Literal(url.password)
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [url.username])
    if there.fetchone() is None:
        _execute(connection, "CREATE ROLE {}", user)
    # On every start: a new secret and a restart change the password.
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    _execute(connection, f"ALTER ROLE {{}} {rights} PASSWORD {{}}", user, password)


def _create_database(connection: psycopg.Connection, url: URL) -> None:
    name, owner = _database_of(url), _user_of(url)
    there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [url.database])
    if there.fetchone() is None:
        _execute(connection, "CREATE DATABASE {} OWNER {}", name, owner)
    _execute(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)


def _connect(admin: URL, database: str | None = None) -> psycopg.Connection:
    return psycopg.connect(
        host=admin.host,
        port=admin.port,
        user=admin.username,
        password=admin.password,
        dbname=database or admin.database,
        autocommit=True,  # CREATE DATABASE cannot run in a transaction
    )


def _execute(connection: psycopg.Connection, statement: str, *parts: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(*parts))


def _user_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.username or "")


def _database_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.database or "")


def read_roles(folder: Path) -> Roles:
    """Read the URLs from the secret files."""

    def secret(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    return Roles(
        admin=URL.create(
            "postgresql",
            username=SUPERUSER,
            password=secret("postgres_superuser_password"),
            host=HOST,
            port=PORT,
            database="postgres",
        ),
        airflow=make_url(secret("airflow_database_url")),
        moderation=make_url(secret("moderation_database_url")),
        commerce=make_url(secret("shop_database_url")),
    )


if __name__ == "__main__":
    steps = {"create": create_databases, "reference-shop": create_reference_shop}
    steps[sys.argv[1]](read_roles(Path(os.environ["MODERATION_SECRETS_DIR"])))
