"""Reads and writes of commerce rows by key, whatever type the key has."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ml.storage.commerce import (
    load_known_keys,
    load_review_ids,
    replace_status,
    same_key,
    set_status,
    text_key,
)
from ml.storage.database import in_transaction
from tests.support.commerce_columns import STATUSES, TIMES, TimeColumn, epoch, with_columns
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 1, 5, 30, 0, 250_000, tzinfo=UTC)
KEY_TYPES = ["text", 'text collate "C"', 'text collate "ucs_basic"', "varchar(90)", "char(90)"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_row_is_found_by_the_index_of_its_key(shop: Shop, key_type: str) -> None:
    shop.execute(f"alter table commerce.review_image alter object_key type {key_type}")
    for key in ("a", "A", "b"):
        shop.add_row(key, uploaded_at=AT)
    commerce = shop.connections.commerce
    ours = sa.values(sa.column("key", sa.Text), name="v").data([("a",), ("a ",), ("c",)])
    found = sa.select(text_key(commerce)).join_from(ours, commerce, same_key(commerce, ours.c.key))
    by_key = sa.select(commerce.c.object_key).where(same_key(commerce, sa.literal("a")))

    def read(connection: sa.Connection) -> None:
        assert connection.execute(found).scalars().all() == ["a"]
        assert load_known_keys(connection, commerce, ["a", "c"]) == {"a"}
        assert load_review_ids(connection, commerce, ["b"]) == {"b": "1"}
        connection.execute(sa.text("set local enable_seqscan = off"))
        plan = connection.execute(sa.text(f"explain {_literal(by_key, connection)}")).scalars()
        assert "Seq Scan" not in "\n".join(plan)

    in_transaction(shop.connections.engine, read)


def _literal(query: sa.Select[str], connection: sa.Connection) -> str:
    return str(query.compile(connection, compile_kwargs={"literal_binds": True}))


@pytest.mark.parametrize("time", TIMES, ids=lambda time: time.title)
def test_reviewer_status_is_set_and_undone_in_the_resolution_of_the_column(
    shop: Shop, time: TimeColumn
) -> None:
    shop = with_columns(shop, time, STATUSES[0])
    shop.execute(
        "insert into commerce.review_image (review_id, product_id, object_key, moderation_status) "
        "values (1, 1, 'k', 'pending')"
    )
    commerce, engine = shop.connections.commerce, shop.connections.engine
    in_transaction(engine, lambda c: set_status(c, commerce, "k", "e", status="block", at=AT))
    assert shop.status("k") == "block"
    in_transaction(
        engine,
        lambda c: replace_status(c, commerce, "k", shown=("block", AT), status="review", at=None),
    )
    assert shop.status("k") == "review"


def test_decision_of_the_shop_in_the_second_of_an_undone_one_stays(shop: Shop) -> None:
    shop = with_columns(shop, epoch("bigint", "seconds"), STATUSES[0])
    shop.execute(
        "insert into commerce.review_image (review_id, product_id, object_key, moderation_status, "
        "uploaded_at) values (1, 1, 'k', 'pending', 1790000000)"
    )
    commerce = shop.connections.commerce

    def undo(connection: sa.Connection) -> None:
        shown = ("pass", AT + timedelta(milliseconds=100))
        replace_status(connection, commerce, "k", shown=shown, status="review", at=None)

    in_transaction(
        shop.connections.engine,
        lambda c: set_status(c, commerce, "k", "e", status="block", at=AT),
    )
    in_transaction(shop.connections.engine, undo)
    assert shop.status("k") == "block"
