"""A deployment as an administrator should set it up: the database user has least privilege."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from ml.core.settings import Settings
from ml.operations.doctor.check import CheckStatus, Deployment, Finding, run_checks
from ml.operations.doctor.runner import library_checks
from ml.storage.connections import open_connections
from tests.support.servers import Shop

Examine = Callable[..., dict[str, Finding]]

# What docs/data_contract.md asks for.
GRANTS = (
    "grant usage on schema moderation, commerce to {user}",
    "grant select, insert, update, delete on all tables in schema moderation to {user}",
    "grant select on commerce.review_image to {user}",
    "grant update (moderation_status, moderated_at) on commerce.review_image to {user}",
)


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    """A login with least privilege in the database; its password is its name."""
    name = f"doctor_{secrets.token_hex(4)}"
    shop.execute(f"create role {name} login password '{name}'")
    for grant in GRANTS:
        shop.execute(grant.format(user=name))
    yield name
    shop.execute(f"drop owned by {name}")
    shop.execute(f"drop role {name}")


@pytest.fixture
def settings(shop: Shop, user: str) -> Settings:
    """The settings of the shop, with that user."""
    assert shop.settings.database_url
    url = make_url(shop.settings.database_url.get_secret_value())
    mine = url.set(username=user, password=user).render_as_string(hide_password=False)
    return shop.settings.model_copy(update={"database_url": SecretStr(mine)})


@pytest.fixture
def run_doctor(settings: Settings) -> Iterator[Examine]:
    """Run the checks with some settings changed; returns the findings by name."""
    with ExitStack() as opened:

        def run(**changed: object) -> dict[str, Finding]:
            these = settings.model_copy(update=changed)
            connections = open_connections(these)
            opened.callback(connections.close)
            checks = library_checks(Deployment(these, connections))
            return dict(run_checks(checks))

        yield run


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment's settings as variables."""
    for name in (
        "database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir",
        "policy_file", "photo_prefix", "device",
    ):  # fmt: skip
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        monkeypatch.setenv(f"MODERATION_{name.upper()}", plain)


def failures(found: dict[str, Finding]) -> list[str]:
    """Names of the checks that failed."""
    return [name for name, finding in found.items() if finding.state is CheckStatus.FAILED]
