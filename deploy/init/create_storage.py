"""Create what the bundled PostgreSQL and SeaweedFS hold, with least privilege. Idempotent.

`create_storage.py databases` creates roles and databases before the migrations, and `buckets` the
buckets; `reference-shop` creates the reference commerce table after the migrations. Databases and
buckets on other servers (by the URLs of their secrets and settings) are left to their
administrators.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, make_url

from ml.core.s3_settings import S3Settings
from ml.core.settings import load_settings
from ml.storage.database import COMMERCE_REFERENCE, migrate
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client

# The services' names in docker-compose.yaml.
POSTGRES_HOST, POSTGRES_PORT = "postgres", 5432
S3_URL = "http://object-storage:8333"
WRITABLE_COLUMNS = ("moderation_status", "moderated_at")  # docs/data_contract.md


@dataclass(frozen=True)
class Roles:
    """The URLs of the three roles, and `admin`, that of the bundled server's superuser."""

    admin: URL
    airflow: URL
    moderation: URL
    commerce: URL

    def is_bundled(self, url: URL) -> bool:
        """Whether a URL is that of the bundled server."""
        port = url.port or POSTGRES_PORT
        return (url.host, port) == (self.admin.host, self.admin.port or POSTGRES_PORT)


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
        grant = "GRANT CONNECT ON DATABASE {} TO {}"
        owner = _user_of(roles.moderation)
        _execute(connection, grant, _database_of(roles.moderation), owner)
    # The schema is created for its owner, who then needs no privilege to create schemas.
    with _connect(roles.admin.set(database=roles.moderation.database)) as connection:
        _execute(connection, "CREATE SCHEMA IF NOT EXISTS moderation AUTHORIZATION {}", owner)


def create_reference_shop(roles: Roles) -> None:
    """Create the reference commerce table, owned by `shop`; `moderation` may write two columns."""
    admin = roles.admin.set(drivername="postgresql+psycopg", database=roles.commerce.database)
    engine = create_engine(admin)
    migrate(engine, COMMERCE_REFERENCE)
    engine.dispose()
    owner, reader = _user_of(roles.commerce), _user_of(roles.moderation)
    columns = sql.SQL(", ").join(map(sql.Identifier, WRITABLE_COLUMNS))
    table = sql.SQL("commerce.review_image")
    with _connect(admin) as connection:
        _execute(connection, "ALTER SCHEMA commerce OWNER TO {}", owner)
        _execute(connection, "ALTER TABLE {} OWNER TO {}", table, owner)
        _execute(connection, "GRANT USAGE ON SCHEMA commerce TO {}", reader)
        _execute(connection, "GRANT SELECT, UPDATE ({}) ON {} TO {}", columns, table, reader)


def create_buckets(identities: str, *, endpoint_url: str, buckets: list[str]) -> None:
    """Create the missing buckets by the admin account of the secret `s3_identities`."""
    accounts = {account["name"]: account for account in json.loads(identities)["identities"]}
    key = accounts["admin"]["credentials"][0]
    client = s3_client(
        S3Settings(
            s3_endpoint_url=endpoint_url,
            s3_access_key=SecretStr(key["accessKey"]),
            s3_secret_key=SecretStr(key["secretKey"]),
        )
    )
    for bucket in buckets:
        ObjectStore(client, bucket).create()
    client.close()


def _create_or_update_role(connection: psycopg.Connection, url: URL) -> None:
    user, password = _user_of(url), sql.Literal(url.password)
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [url.username])
    if known.fetchone() is None:
        _execute(connection, "CREATE ROLE {}", user)
    # On every start: a new secret and a restart change the password.
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    _execute(connection, f"ALTER ROLE {{}} {rights} PASSWORD {{}}", user, password)


def _create_database(connection: psycopg.Connection, url: URL) -> None:
    name = _database_of(url)
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [url.database])
    if known.fetchone() is None:
        _execute(connection, "CREATE DATABASE {} OWNER {}", name, _user_of(url))
    _execute(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)


def _connect(url: URL) -> psycopg.Connection:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)  # no CREATE DATABASE in a transaction


def _execute(connection: psycopg.Connection, statement: str, *parts: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(*parts))


def _user_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.username or "")


def _database_of(url: URL) -> sql.Identifier:
    return sql.Identifier(url.database or "")


def main(step: str, folder: Path) -> None:
    """Perform one step with the secret files of a folder."""

    def secret(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    if step == "buckets":
        settings = load_settings()
        if settings.s3_endpoint_url == S3_URL:
            buckets = [settings.photo_bucket, settings.model_bucket]
            create_buckets(secret("s3_identities"), endpoint_url=S3_URL, buckets=buckets)
        return
    password = secret("postgres_superuser_password")
    roles = Roles(
        URL.create("postgresql", "postgres", password, POSTGRES_HOST, POSTGRES_PORT, "postgres"),
        airflow=make_url(secret("airflow_database_url")),
        moderation=make_url(secret("moderation_database_url")),
        commerce=make_url(secret("shop_database_url")),
    )
    {"databases": create_databases, "reference-shop": create_reference_shop}[step](roles)


if __name__ == "__main__":
    main(sys.argv[1], Path(os.environ["MODERATION_SECRETS_DIR"]))
