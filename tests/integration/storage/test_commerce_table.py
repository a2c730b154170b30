"""Which columns of the commerce table are supported; all others are refused with the remedy."""

from typing import Any

import pytest

from ml.core.commerce_names import CommerceNames
from ml.storage.commerce_columns import load_columns
from ml.storage.commerce_table import Problem, find_problems
from ml.storage.commerce_values import find_value_problems
from ml.storage.database import in_transaction
from tests.support.commerce_columns import (
    STATUSES,
    TIMES,
    StatusColumn,
    TimeColumn,
    with_columns,
)
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ENUM = "create type commerce.status as enum ('pending', 'pass', 'review', 'rejected')"
LOOSE = "create collation commerce.loose (provider = libc, locale = 'C')"
# Only ICU has such collations, and not every build of PostgreSQL has ICU: the catalog says it.
MARK_LOOSE = "update pg_collation set collisdeterministic = false where collname = 'loose'"
SECONDS, MILLISECONDS = {"time_unit": "seconds"}, {"time_unit": "milliseconds"}
NUMBERS = {"status_pending": "0", "status_pass": "1", "status_review": "2", "status_block": "3"}


def _problems(shop: Shop, **names: Any) -> list[Problem]:  # noqa: ANN401 - settings of any type
    commerce = CommerceNames(**names)
    columns = in_transaction(shop.connections.engine, load_columns, commerce)
    return find_problems(commerce, columns) or in_transaction(
        shop.connections.engine, find_value_problems, commerce, columns
    )


def _change(shop: Shop, *changes: str) -> None:
    shop.execute("alter table commerce.review_image alter moderation_status drop default")
    for change in changes:
        is_whole = change.startswith(("create", "alter", "update"))
        alter = "alter table commerce.review_image alter"
        shop.execute(change if is_whole else f"{alter} {change}")


@pytest.mark.parametrize("time", TIMES, ids=lambda time: time.title)
@pytest.mark.parametrize("status", STATUSES[:1], ids=lambda status: status.sql_type)
def test_supported_time_is_accepted(shop: Shop, time: TimeColumn, status: StatusColumn) -> None:
    other = with_columns(shop, time, status)
    assert _problems(other, **status.settings, **time.settings) == []


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.sql_type)
def test_supported_status_is_accepted(shop: Shop, status: StatusColumn) -> None:
    assert _problems(with_columns(shop, TIMES[0], status), **status.settings) == []


@pytest.mark.parametrize(
    ("changes", "names", "message", "remedy"),
    [
        (("moderated_at type timestamp",), {}, "moderated_at of type timestamp", "__TIMEZONE"),
        (("uploaded_at type timestamp",), SECONDS, "uploaded_at of type timestamp", "__TIMEZONE"),
        (("uploaded_at type bigint using 0",), {}, "uploaded_at of type bigint", "__TIME_UNIT"),
        (("uploaded_at type bigint using 0",), {"timezone": "UTC"}, "bigint", "__TIME_UNIT"),
        (("moderated_at type integer using 0",), MILLISECONDS, "too small", "__TIME_UNIT"),
        (("moderated_at type numeric(10,2) using 0",), SECONDS, "too small", "bigint"),
        (("moderated_at type numeric(20,-3) using 0",), SECONDS, "too small", "bigint"),
        (("moderated_at type real using 0",), SECONDS, "has the type real", "must be timestamptz"),
        (("moderated_at type smallint using 0",), SECONDS, "type smallint", "must be timestamptz"),
        (("uploaded_at type date",), {"timezone": "UTC"}, "type date", "must be timestamptz"),
        (("uploaded_at type text",), {"timezone": "UTC"}, "type text", "must be timestamptz"),
        (("moderated_at set not null",), {}, "NOT NULL", "DROP NOT NULL"),
        (
            (ENUM, "moderation_status type commerce.status using null"),
            {},
            "cannot hold MODERATION_COMMERCE__STATUS_BLOCK='block'",
            "labels of the type (pending, pass, review, rejected)",
        ),
        (("moderation_status type smallint using 0",), {}, "STATUS_PASS='pass'", "the numbers"),
        (
            ("moderation_status type smallint using 0",),
            NUMBERS | {"status_block": "03"},
            "cannot hold MODERATION_COMMERCE__STATUS_BLOCK='03'",
            "the numbers",
        ),
        (
            ("moderation_status type smallint using 0",),
            NUMBERS | {"status_block": "32768"},
            "cannot hold MODERATION_COMMERCE__STATUS_BLOCK='32768'",
            "the numbers",
        ),
        (
            ("moderation_status type varchar(6)",),
            {},
            "cannot hold MODERATION_COMMERCE__STATUS_PENDING='pending'",
            "at most 6 characters",
        ),
        (
            ("moderation_status type char(12)",),
            {"status_pass": "pass "},
            "STATUS_PASS='pass '",
            "without blanks",
        ),
        (
            (
                "create type commerce.e as enum ('pending', 'pass', 'review', 'block')",
                "create domain commerce.word as commerce.e",
                "moderation_status type commerce.word using null",
            ),
            {},
            "domain over an enum, commerce.word",
            "ALTER it to the enum",
        ),
        (("moderation_status type boolean using false",), {}, "type boolean", "must be an enum"),
        (("moderation_status type numeric using 0",), NUMBERS, "type numeric", "must be an enum"),
        (("object_key type bytea using null",), {}, "type bytea", "must be text"),
        (
            (LOOSE, 'object_key type text collate commerce."loose"', MARK_LOOSE),
            {},
            "nondeterministic collation commerce.loose",
            "deterministic",
        ),
        (
            (LOOSE, 'moderation_status type text collate commerce."loose"', MARK_LOOSE),
            {},
            "nondeterministic collation commerce.loose",
            "deterministic",
        ),
        (
            ("alter table commerce.review_image add check (moderation_status not like 'b%k')",),
            {},
            "refuses the status 'block'",
            "__STATUS_BLOCK",
        ),
        (
            (
                "create domain commerce.word as text check (value <> 'review')",
                "moderation_status type commerce.word",
            ),
            {},
            "refuses the status 'review'",
            "__STATUS_REVIEW",
        ),
        ((), {"table": "photos"}, "no table commerce.photos", "__TABLE_SCHEMA"),
    ],
)  # fmt: skip
def test_unsupported_column_is_refused_with_the_remedy(
    shop: Shop, changes: tuple[str, ...], names: dict[str, Any], message: str, remedy: str
) -> None:
    _change(shop, *changes)
    (problem,) = _problems(shop, **names)
    assert message in problem.message
    assert remedy in problem.remedy


def test_view_without_an_update_is_refused_and_a_simple_one_accepted(shop: Shop) -> None:
    shop.execute("create view commerce.simple as select * from commerce.review_image")
    shop.execute("create view commerce.grouped as select distinct * from commerce.review_image")
    assert _problems(shop, table="simple") == []
    found = _problems(shop, table="grouped")
    assert [problem.message for problem in found] == [
        "moderation_status cannot be updated",
        "moderated_at cannot be updated",
    ]


@pytest.mark.parametrize(("unit", "other"), [("seconds", 1000), ("milliseconds", 1)])
def test_wrong_unit_is_refused(shop: Shop, unit: str, other: int) -> None:
    _change(shop, "uploaded_at type bigint using 0")
    shop.execute(
        "insert into commerce.review_image (review_id, product_id, object_key, moderation_status, "
        "uploaded_at) values (1, 1, 'k', 'pending', extract(epoch from now()) * :other)",
        other=other,
    )
    (problem,) = _problems(shop, time_unit=unit)
    assert "none of the 1 values of uploaded_at" in problem.message
    assert "__TIME_UNIT" in problem.remedy
