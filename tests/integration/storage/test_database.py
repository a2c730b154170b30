from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from devtools.embedded.services import Services
from ml.core.errors import StatementCanceled, StorageError, StorageFull, StorageUnavailable
from ml.storage.database import (
    TimedResult,
    check_migrated,
    connect,
    in_transaction,
    migrate,
    newest,
    with_timeout,
)
from ml.storage.schema import metadata
from tests.support.audit_rows import Rows

pytestmark = pytest.mark.integration

OTHER_VERSION = text(
    "update moderation.alembic_version set version_num = '9999' where version_num = :newest"
)

COUNT = text("select count(*) from moderation.review_task")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    # The test's user is called `moderation`, too: that schema would be the nameless default one.
    public = make_url(database_url).update_query_dict({"options": "-csearch_path=public"})
    engine = connect(public.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == "moderation"


def test_migrations_create_the_tables_of_the_schema_package(engine: Engine) -> None:
    options = {
        "include_schemas": True,
        "include_name": _ours,
        "compare_type": True,
        "version_table_schema": "moderation",
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_key_columns_have_the_byte_order_of_the_bucket(engine: Engine) -> None:
    query = """
        select table_name, column_name from information_schema.columns
        where table_schema = 'moderation' and collation_name is distinct from 'C'
        and column_name in ('object_key', 'first_key', 'last_key')
        and table_name in (select table_name from information_schema.tables
                           where table_schema = 'moderation' and table_type = 'BASE TABLE')
    """
    with engine.connect() as connection:
        assert connection.execute(text(query)).all() == []


def test_migrate_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        check_migrated(connection)


def test_check_migrated_of_an_empty_database_names_the_command(services: Services) -> None:
    # Airflow's own database: the one that holds nothing of ours.
    engine = connect(services.airflow_database_url)
    with engine.connect() as connection, pytest.raises(StorageError, match="python -m ml migrate"):
        check_migrated(connection)
    engine.dispose()


def test_check_migrated_rejects_another_version(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(OTHER_VERSION, {"newest": newest()})
        with pytest.raises(StorageError, match="not up to date"):
            check_migrated(connection)


def test_with_timeout_of_a_locked_table_keeps_the_transaction_usable(
    rows: Rows, database_url: str
) -> None:
    other = connect(database_url)
    with other.begin() as holder, rows.engine.begin() as connection:
        holder.execute(text("lock table moderation.review_task in access exclusive mode"))
        late = with_timeout(connection, lambda c: c.execute(COUNT).scalar(), seconds=0.2)
        assert late == TimedResult(None, completed=False)
        assert connection.execute(text("select count(*) from moderation.image")).scalar() == 0
        # The limit was that of the part alone.
        assert connection.execute(text("show statement_timeout")).scalar() == "0"
    other.dispose()


def test_with_timeout_of_a_fast_query_returns_its_result(rows: Rows) -> None:
    with rows.engine.begin() as connection:
        found = with_timeout(connection, lambda c: c.execute(COUNT).scalar())
        assert found == TimedResult(0, completed=True)
        assert connection.execute(text("show statement_timeout")).scalar() == "0"


def test_with_timeout_raises_any_other_error(rows: Rows) -> None:
    with rows.engine.connect() as connection, pytest.raises(ProgrammingError):
        with_timeout(connection, lambda c: c.execute(text("select nothing from nowhere")))


class _Attempts:
    """Runs a statement that fails in the first attempts; counts them and their connections."""

    def __init__(self, statement: str, *, failing: int = 100) -> None:
        self._statement, self._failing = statement, failing
        self.servers: list[int] = []

    def __call__(self, connection: Connection) -> str:
        self.servers.append(connection.execute(text("select pg_backend_pid()")).scalar_one())
        if len(self.servers) <= self._failing:
            for statement in self._statement.split("; "):
                connection.execute(text(statement))
        return "done"


READ_ONLY = "set transaction read only; delete from moderation.alert"
LOCKED = "set local lock_timeout = '20ms'; lock table moderation.alert"


def test_disk_full_is_raised_at_once_with_its_remedy(engine: Engine) -> None:
    work = _Attempts("do $$ begin raise exception using errcode = '53100';end $$")
    with pytest.raises(StorageFull, match="enlarge it or free space"):
        in_transaction(engine, work)
    assert len(work.servers) == 1


def test_canceled_statement_is_raised_at_once_with_its_remedy(engine: Engine) -> None:
    work = _Attempts("set local statement_timeout = '20ms'; select pg_sleep(60)")
    with pytest.raises(StatementCanceled, match="statement_timeout"):
        in_transaction(engine, work)
    assert len(work.servers) == 1


def test_read_only_database_is_retried_on_a_new_connection(engine: Engine) -> None:
    work = _Attempts(READ_ONLY, failing=1)
    assert in_transaction(engine, work) == "done"
    assert len(set(work.servers)) == 2
    with pytest.raises(StorageUnavailable, match="read-only: name the primary"):
        in_transaction(engine, _Attempts(READ_ONLY), seconds=0.3)


def test_lock_that_is_not_free_is_retried(engine: Engine) -> None:
    with engine.connect() as other:
        other.execute(text("lock table moderation.alert"))
        with pytest.raises(StorageUnavailable, match="holds a lock"):
            in_transaction(engine, _Attempts(LOCKED), seconds=0.3)
        work = _Attempts(LOCKED, failing=1)
        assert in_transaction(engine, work) == "done"
        assert len(work.servers) == 2
