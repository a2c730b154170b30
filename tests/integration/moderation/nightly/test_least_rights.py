"""The rights that docs/data_contract.md requires suffice for a nightly run, and are needed."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from ml.storage.connections import open_connections
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ROLE = "least"
RIGHTS = """
    grant usage on schema commerce to least;
    grant select on commerce.review_image to least;
    grant update (moderation_status, moderated_at) on commerce.review_image to least;
    grant usage, create on schema moderation to least;
    grant all on all tables in schema moderation to least;
    grant all on all sequences in schema moderation to least;
"""


@pytest.fixture
def least(shop: Shop) -> Iterator[Shop]:
    """The shop, as a database user with the rights of the contract."""
    password = secrets.token_hex(16)
    shop.execute(f"create role {ROLE} login password '{password}'")
    for statement in filter(str.strip, RIGHTS.split(";")):
        shop.execute(statement)
    url = make_url(
        str(shop.settings.database_url and shop.settings.database_url.get_secret_value())
    )
    own = url.set(username=ROLE, password=password).render_as_string(hide_password=False)
    settings = shop.settings.model_copy(update={"database_url": SecretStr(own)})
    connections = open_connections(settings)
    yield replace(shop, settings=settings, connections=connections)
    connections.close()
    shop.execute(f"drop owned by {ROLE}")
    shop.execute(f"drop role {ROLE}")


def test_documented_rights_suffice_for_a_nightly_run(shop: Shop, least: Shop) -> None:
    bright, dark = shop.upload("b.jpg", photo(BRIGHT)), shop.upload("d.jpg", photo(DARK))
    run_nightly(least)
    assert (shop.status(bright), shop.status(dark)) == ("pass", "review")


@pytest.mark.parametrize(
    "statement",
    [
        "update commerce.review_image set object_key = 'x'",
        "insert into commerce.review_image (object_key) select 'x'",
        "delete from commerce.review_image",
    ],
)
def test_documented_rights_allow_nothing_else(least: Shop, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        least.execute(statement)
