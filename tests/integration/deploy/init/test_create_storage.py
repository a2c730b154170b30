"""Privileges of the deployment's roles on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from create_storage import Roles, create_databases, create_reference_shop
from devtools.embedded.services import Services
from ml.models import registry
from ml.storage.connections import open_connections
from ml.storage.database import migrate
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PASSWORD = "a-password-of-the-tests"


@pytest.fixture(scope="module")
def roles(services: Services) -> Iterator[Roles]:
    """A deployment's databases on the test server, under separate names."""
    admin = make_url(services.database_url)

    def url(user: str, database: str) -> URL:
        return admin.set(username=user, password=PASSWORD, database=database)

    made = Roles(
        admin=admin,
        airflow=url("dep_airflow", "dep_airflow"),
        moderation=url("dep_moderation", "dep_shop"),
        commerce=url("dep_shop", "dep_shop"),
    )
    create_databases(made)
    engine = create_engine(made.moderation, poolclass=NullPool)
    migrate(engine)
    create_reference_shop(made)
    create_databases(made)  # as in an upgrade
    migrate(engine)
    create_reference_shop(made)
    yield made
    with _open(admin) as connection:
        for name in ("dep_shop", "dep_airflow"):
            connection.execute(f"drop database {name} with (force)")  # type: ignore[call-overload]
        connection.execute("drop role dep_moderation, dep_shop, dep_airflow")
        # Restore the access to the server's default database for later tests.
        connection.execute(f'grant connect on database "{admin.database}" to public')  # type: ignore[call-overload]


def _open(url: URL) -> psycopg.Connection:
    return psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )


@pytest.fixture
def deployed(shop: Shop, roles: Roles) -> Iterator[Shop]:
    """The shop with a database connection of the deployment's role."""
    url = roles.moderation.render_as_string(hide_password=False)
    settings = shop.settings.model_copy(update={"database_url": SecretStr(url)})
    connections = open_connections(settings)
    yield Shop(settings, connections, shop.window, shop.model_hash)
    connections.close()


def test_role_moderation_can_run_a_whole_nightly_run(
    deployed: Shop, roles: Roles, champion_folder: Path
) -> None:
    connections = deployed.connections
    version = registry.register(
        champion_folder, engine=connections.engine, store=connections.models
    )
    registry.promote(version, engine=connections.engine, by="test", reason="test")
    key = deployed.upload("1.jpg", photo(), row=False)
    with _open(roles.commerce) as owner:
        owner.execute(
            "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
            "values (1, 1, %s, now())",
            [key],
        )
    report = run_nightly(deployed)
    assert report["listed"] == 1
    assert deployed.status(key) != "pending"


@pytest.mark.parametrize(
    "statement",
    [
        "delete from commerce.review_image",
        "insert into commerce.review_image (object_key) values ('k')",
        "update commerce.review_image set object_key = 'other'",
        "drop table commerce.review_image",
        "create schema other",
        "create table public.other (id int)",
        "create role other",
        "create database other",
    ],
)
def test_role_moderation_is_denied_other_statements(statement: str, roles: Roles) -> None:
    with _open(roles.moderation) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)  # type: ignore[call-overload]
    assert refused.value.sqlstate == "42501"


def test_role_shop_cannot_read_schema_moderation(roles: Roles) -> None:
    with _open(roles.commerce) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from moderation.verdict")


@pytest.mark.parametrize(
    ("who", "where"),
    [("airflow", "dep_shop"), ("moderation", "dep_airflow"), ("commerce", "dep_airflow")],
)
def test_roles_cannot_connect_to_other_databases(who: str, where: str, roles: Roles) -> None:
    url = getattr(roles, who).set(database=where)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _open(url)


def test_roles_cannot_connect_to_database_postgres(roles: Roles) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _open(roles.commerce.set(database=roles.admin.database))


def test_create_databases_sets_a_changed_password(roles: Roles) -> None:
    changed = Roles(
        admin=roles.admin,
        airflow=roles.airflow.set(password="another-password-42"),
        moderation=roles.moderation,
        commerce=roles.commerce,
    )
    create_databases(changed)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _open(roles.airflow)
    _open(changed.airflow).close()
    create_databases(roles)


def test_create_databases_skips_databases_on_other_servers(roles: Roles) -> None:
    elsewhere = roles.moderation.set(host="db.example", username="dep_not_here")
    create_databases(Roles(roles.admin, roles.airflow, elsewhere, roles.commerce))
    with create_engine(roles.admin, poolclass=NullPool).connect() as connection:
        found = connection.execute(
            text("select 1 from pg_roles where rolname = 'dep_not_here'")
        ).first()
    assert found is None
