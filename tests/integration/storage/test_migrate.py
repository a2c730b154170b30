import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from ml.embedded.services import Services
from ml.errors import StorageError
from ml.storage.database import connect
from ml.storage.migrate import check_migrated, migrate
from ml.storage.schema import metadata

pytestmark = pytest.mark.integration


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == "moderation"


def test_the_migrations_make_the_tables_that_the_code_names(database_url: str) -> None:
    engine = connect(database_url)
    options = {
        "include_schemas": True,
        "include_name": _ours,
        "compare_type": True,
        "version_table_schema": "moderation",
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_key_columns_sort_by_byte_as_the_bucket_lists(database_url: str) -> None:
    engine = connect(database_url)
    query = """
        select table_name, column_name from information_schema.columns
        where table_schema = 'moderation' and collation_name is distinct from 'C'
        and column_name in ('object_key', 'first_key', 'last_key')
        and table_name in (select table_name from information_schema.tables
                           where table_schema = 'moderation' and table_type = 'BASE TABLE')
    """
    with engine.connect() as connection:
        assert connection.execute(text(query)).all() == []
    engine.dispose()


def test_migrated_twice_is_migrated_once(database_url: str) -> None:
    engine = connect(database_url)
    migrate(engine)
    with engine.connect() as connection:
        check_migrated(connection)
    engine.dispose()


def test_an_empty_database_is_refused_with_the_command(services: Services) -> None:
    # Airflow's own database: the one that holds nothing of ours.
    engine = connect(services.airflow_database_url)
    with engine.connect() as connection, pytest.raises(StorageError, match="python -m ml migrate"):
        check_migrated(connection)
    engine.dispose()


def test_another_version_of_the_schema_is_refused(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text("update moderation.alembic_version set version_num = '9999'"))
        with pytest.raises(StorageError, match="not up to date"):
            check_migrated(connection)
        connection.rollback()
    engine.dispose()
