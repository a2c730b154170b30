import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from ml.operations.patience import Part, within
from ml.storage.database import connect
from tests.integration.operations.rows import Rows

pytestmark = pytest.mark.integration

COUNT = text("select count(*) from moderation.review_task")


def test_what_is_locked_is_left_out_and_the_rest_goes_on(rows: Rows, database_url: str) -> None:
    other = connect(database_url)
    with other.begin() as holder, rows.engine.begin() as connection:
        holder.execute(text("lock table moderation.review_task in access exclusive mode"))
        late = within(connection, lambda c: c.execute(COUNT).scalar(), seconds=0.2)
        assert late == Part(None, in_time=False)
        assert connection.execute(text("select count(*) from moderation.image")).scalar() == 0
        # The limit was that of the part alone.
        assert connection.execute(text("show statement_timeout")).scalar() == "0"
    other.dispose()


def test_what_comes_in_time_is_handed_on(rows: Rows) -> None:
    with rows.engine.begin() as connection:
        found = within(connection, lambda c: c.execute(COUNT).scalar())
        assert found == Part(0, in_time=True)
        assert connection.execute(text("show statement_timeout")).scalar() == "0"


def test_any_other_error_is_one(rows: Rows) -> None:
    with rows.engine.connect() as connection, pytest.raises(ProgrammingError):
        within(connection, lambda c: c.execute(text("select nothing from nowhere")))
