import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from ml.storage.database import connect
from ml.storage.query_timeout import TimedResult, with_timeout
from tests.support.audit_rows import Rows

pytestmark = pytest.mark.integration

COUNT = text("select count(*) from moderation.review_task")


def test_a_locked_query_times_out_and_the_transaction_goes_on(
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


def test_a_query_in_time_returns_its_result(rows: Rows) -> None:
    with rows.engine.begin() as connection:
        found = with_timeout(connection, lambda c: c.execute(COUNT).scalar())
        assert found == TimedResult(0, completed=True)
        assert connection.execute(text("show statement_timeout")).scalar() == "0"


def test_any_other_error_is_raised(rows: Rows) -> None:
    with rows.engine.connect() as connection, pytest.raises(ProgrammingError):
        with_timeout(connection, lambda c: c.execute(text("select nothing from nowhere")))
