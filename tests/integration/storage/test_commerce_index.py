"""A nightly run finds commerce rows by the index of the commerce table, whatever its size."""

from collections.abc import Iterator

import pytest
from psycopg import Cursor
from sqlalchemy import event

from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

WHOLE_TABLE = "Seq Scan on review_image"


@pytest.fixture
def plans(shop: Shop) -> Iterator[list[str]]:
    """Plans of the statements on the commerce table, with a scan as the planner's last resort."""
    seen: list[str] = []

    def explain(_: object, cursor: Cursor, statement: str, values: object, *__: object) -> None:
        if "review_image" in statement and statement.strip().lower().startswith(
            ("select", "update")
        ):
            with cursor.connection.cursor() as explained:  # a server-side one runs one statement
                explained.execute("set local enable_seqscan = off")
                first = values[0] if isinstance(values, list) else values
                explained.execute(f"explain {statement}", first)
                seen.append("\n".join(row[0] for row in explained.fetchall()))
                explained.execute("set local enable_seqscan = on")

    event.listen(shop.connections.engine, "before_cursor_execute", explain)
    yield seen
    event.remove(shop.connections.engine, "before_cursor_execute", explain)


def test_no_step_of_a_nightly_run_scans_the_whole_commerce_table(
    shop: Shop, plans: list[str]
) -> None:
    for number in range(3):
        shop.upload(f"{number}.jpg", photo(seed=number))
    shop.execute(
        "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
        "select i, 1, 'old/' || i, now() - interval '90 days' from generate_series(1, 5000) i"
    )
    shop.execute("analyze")
    plans.clear()
    run_nightly(shop)
    assert len(plans) >= 5
    # `preflight` looks at a sample of the times: a scan that a limit ends.
    assert [plan for plan in plans if WHOLE_TABLE in plan and "Limit" not in plan] == []
