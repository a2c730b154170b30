"""The deployment's roles on a real PostgreSQL: what each may do, and what it may not."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from databases import Roles, create, reference_shop
from ml.connections import open_connections
from ml.embedded.services import Services
from ml.model import registry
from ml.storage.migrate import migrate
from tests.support.night import run_night
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PASSWORD = "a-password-of-the-tests"


@pytest.fixture(scope="module")
def roles(services: Services) -> Iterator[Roles]:
    """A deployment's databases, under names of their own on the server of the tests."""
    admin = make_url(services.database_url)

    def url(user: str, database: str) -> URL:
        return admin.set(username=user, password=PASSWORD, database=database)

    made = Roles(
        admin=admin,
        airflow=url("dep_airflow", "dep_airflow"),
        moderation=url("dep_moderation", "dep_shop"),
        shop=url("dep_shop", "dep_shop"),
    )
    create(made)
    engine = create_engine(made.moderation, poolclass=NullPool)
    migrate(engine)
    reference_shop(made)
    create(made)  # an upgrade is one more start
    migrate(engine)
    reference_shop(made)
    yield made
    with _open(admin) as connection:
        for name in ("dep_shop", "dep_airflow"):
            connection.execute(f"drop database {name} with (force)")  # type: ignore[call-overload]
        connection.execute("drop role dep_moderation, dep_shop, dep_airflow")
        # For the tests that come after: the server's own database is open as it was.
        connection.execute(f'grant connect on database "{admin.database}" to public')  # type: ignore[call-overload]


def _open(url: URL) -> psycopg.Connection:
    return psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )


@pytest.fixture
def deployed(shop: Shop, roles: Roles) -> Iterator[Shop]:
    """The shop with its database reached as the role that the deployment uses."""
    url = roles.moderation.render_as_string(hide_password=False)
    settings = shop.settings.model_copy(update={"database_url": SecretStr(url)})
    connections = open_connections(settings)
    yield Shop(settings, connections, shop.window, shop.model_hash)
    connections.close()


def test_a_whole_night_needs_no_more_rights(
    deployed: Shop, roles: Roles, champion_folder: Path
) -> None:
    connections = deployed.connections
    version = registry.register(
        champion_folder, engine=connections.engine, store=connections.models
    )
    registry.promote(version, engine=connections.engine, by="test", reason="test")
    key = deployed.upload("1.jpg", photo(), row=False)
    with _open(roles.shop) as owner:
        owner.execute(
            "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
            "values (1, 1, %s, now())",
            [key],
        )
    report = run_night(deployed)
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
def test_moderation_may_not(statement: str, roles: Roles) -> None:
    with _open(roles.moderation) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)  # type: ignore[call-overload]
    assert refused.value.sqlstate == "42501"


def test_the_shop_cannot_read_what_moderation_keeps(roles: Roles) -> None:
    with _open(roles.shop) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from moderation.verdict")


@pytest.mark.parametrize(
    ("who", "where"),
    [("airflow", "dep_shop"), ("moderation", "dep_airflow"), ("shop", "dep_airflow")],
)
def test_no_role_enters_the_others_database(who: str, where: str, roles: Roles) -> None:
    url = getattr(roles, who).set(database=where)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _open(url)


def test_none_enters_the_servers_own_database(roles: Roles) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _open(roles.shop.set(database=roles.admin.database))


def test_a_new_secret_is_the_new_password(roles: Roles) -> None:
    changed = Roles(
        admin=roles.admin,
        airflow=roles.airflow.set(password="another-password-42"),
        moderation=roles.moderation,
        shop=roles.shop,
    )
    create(changed)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _open(roles.airflow)
    _open(changed.airflow).close()
    create(roles)


def test_a_database_elsewhere_is_left_to_its_administrators(roles: Roles) -> None:
    elsewhere = roles.moderation.set(host="db.example", username="dep_not_here")
    create(Roles(roles.admin, roles.airflow, elsewhere, roles.shop))
    with create_engine(roles.admin, poolclass=NullPool).connect() as connection:
        found = connection.execute(
            text("select 1 from pg_roles where rolname = 'dep_not_here'")
        ).first()
    assert found is None
