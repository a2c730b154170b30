"""The bundled PostgreSQL's roles and databases, each role with the least rights; safe to run again.

`python databases.py create` before the migrations, `python databases.py reference-shop` after them.
A database that a secret's URL places on another server is left to its administrators.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, create_engine, make_url

from ml.storage.migrate import COMMERCE_REFERENCE, migrate

HOST, PORT = "postgres", 5432  # the service's name in docker-compose.yaml
SUPERUSER = "postgres"
WRITTEN = ("moderation_status", "moderated_at")  # docs/data_contract.md: the columns we write


@dataclass(frozen=True)
class Roles:
    """Who connects to what: the three URLs; `admin` is the superuser's, of the same server."""

    admin: URL
    airflow: URL
    moderation: URL
    shop: URL

    def ours(self, url: URL) -> bool:
        """Whether a URL means the bundled server."""
        return (url.host, url.port or PORT) == (self.admin.host, self.admin.port or PORT)


def create(roles: Roles) -> None:
    """Roles with their passwords, and the two databases, each closed to all but its own roles."""
    with _connect(roles.admin) as connection:
        for url in filter(roles.ours, (roles.airflow, roles.shop, roles.moderation)):
            _role(connection, url)
        for url in filter(roles.ours, (roles.airflow, roles.shop)):
            _database(connection, url)
        _run(connection, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", _database_of(roles.admin))
        if not roles.ours(roles.moderation):
            return
        shop = _database_of(roles.moderation)
        # A night lists into temporary tables.
        rights = "CONNECT, TEMPORARY ON DATABASE"
        _run(connection, f"GRANT {rights} {{}} TO {{}}", shop, _user_of(roles.moderation))
    # The schema is made for its owner, who so needs no right to make others.
    with _connect(roles.admin, roles.moderation.database) as connection:
        owner = _user_of(roles.moderation)
        _run(connection, "CREATE SCHEMA IF NOT EXISTS moderation AUTHORIZATION {}", owner)


def reference_shop(roles: Roles) -> None:
    """The reference commerce table, the shop's; we may read it and write two of its columns."""
    engine = create_engine(
        roles.admin.set(drivername="postgresql+psycopg", database=roles.shop.database)
    )
    migrate(engine, COMMERCE_REFERENCE)
    engine.dispose()
    owner, reader = _user_of(roles.shop), _user_of(roles.moderation)
    columns = sql.SQL(", ").join(map(sql.Identifier, WRITTEN))
    table = sql.SQL("commerce.review_image")
    with _connect(roles.admin, roles.shop.database) as connection:
        _run(connection, "ALTER SCHEMA commerce OWNER TO {}", owner)
        _run(connection, "ALTER TABLE {} OWNER TO {}", table, owner)
        _run(connection, "GRANT USAGE ON SCHEMA commerce TO {}", reader)
        _run(connection, "GRANT SELECT, UPDATE ({}) ON {} TO {}", columns, table, reader)


def _role(connection: psycopg.Connection, url: URL) -> None:
    user, password = _user_of(url), sql.Literal(url.password)
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [url.username])
    if there.fetchone() is None:
        _run(connection, "CREATE ROLE {}", user)
    # Each time: so a password is changed by writing a new secret and starting again.
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    _run(connection, f"ALTER ROLE {{}} {rights} PASSWORD {{}}", user, password)


def _database(connection: psycopg.Connection, url: URL) -> None:
    name, owner = _database_of(url), _user_of(url)
    there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [url.database])
    if there.fetchone() is None:
        _run(connection, "CREATE DATABASE {} OWNER {}", name, owner)
    _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)


def _connect(admin: URL, database: str | None = None) -> psycopg.Connection:
    return psycopg.connect(
        host=admin.host,
        port=admin.port,
        user=admin.username,
        password=admin.password,
        dbname=database or admin.database,
        autocommit=True,  # CREATE DATABASE stands in no transaction
    )


def _run(connection: psycopg.Connection, statement: str, *parts: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(*parts))


def _user_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.username or "")


def _database_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.database or "")


def read_roles(folder: Path) -> Roles:
    """From the files of secrets."""

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
        shop=make_url(secret("shop_database_url")),
    )


if __name__ == "__main__":
    steps = {"create": create, "reference-shop": reference_shop}
    steps[sys.argv[1]](read_roles(Path(os.environ["MODERATION_SECRETS_DIR"])))
