"""Bring the database to this code's schema, and tell whether it is there."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from ml.errors import StorageError
from ml.settings import ROOT

MODERATION = "moderation@head"
COMMERCE_REFERENCE = "commerce_reference@head"  # demo and tests only


def migrate(engine: Engine, target: str = MODERATION) -> None:
    """Run the migrations of one branch; does nothing where they have run."""
    with engine.begin() as connection:
        # Alembic's own version table lies in the schema that the first migration fills. Made only
        # where it is not there: IF NOT EXISTS wants the right to create schemas all the same.
        if not inspect(connection).has_schema("moderation"):
            connection.execute(text("CREATE SCHEMA moderation"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)


def check_migrated(connection: Connection) -> None:
    """Raise unless the schema `moderation` is the one this code was written for.

    Raises:
        StorageError: it is older, newer or missing; says what to run.
    """
    context = MigrationContext.configure(connection, opts={"version_table_schema": "moderation"})
    if newest() not in context.get_current_heads():
        raise StorageError("the schema `moderation` is not up to date; run `python -m ml migrate`")


def newest() -> str:
    """The revision of `moderation` that this code was written for."""
    found = ScriptDirectory.from_config(_config()).get_revision(MODERATION)
    if found is None:
        raise StorageError(f"no migrations under {ROOT / 'migrations'}: the installation is broken")
    return found.revision


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config
