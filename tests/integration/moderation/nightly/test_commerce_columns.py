"""Whole nightly runs on commerce tables with other types, and with rows that name no object."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from ml.core.commerce_names import CommerceNames
from ml.core.errors import SettingsError
from tests.support.commerce_columns import (
    ENUM,
    STATUSES,
    StatusColumn,
    TimeColumn,
    epoch,
    instant_of,
    local_time,
    status_type,
    with_columns,
    with_names,
)
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

TEXT, CHAR, SMALLINT = STATUSES[0], STATUSES[3], STATUSES[4]
NEW_YORK, MILLISECONDS = local_time("America/New_York"), epoch("bigint", "milliseconds")


def _add(
    shop: Shop, key: str | None, time: TimeColumn, status: str, *, moderated_at: datetime | None
) -> None:
    shop.execute(
        "insert into commerce.review_image (review_id, product_id, object_key, moderation_status, "  # noqa: S608 - a type of the tests
        f"uploaded_at, moderated_at) values (1, 1, :key, cast(:status as {status_type(shop)}), "
        ":uploaded_at, :moderated_at)",
        key=key, status=status, uploaded_at=time.encode(datetime.now(UTC)),
        moderated_at=moderated_at and time.encode(moderated_at),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("time", "status"),
    [(instant_of(), ENUM), (NEW_YORK, CHAR), (MILLISECONDS, SMALLINT), (MILLISECONDS, ENUM)],
    ids=lambda column: column.sql_type,
)
def test_night_on_other_types_ends_as_on_the_usual_ones(
    shop: Shop, time: TimeColumn, status: StatusColumn
) -> None:
    shop = with_columns(shop, time, status)
    pending, passed, review, blocked = status.values
    keys = [
        shop.upload(f"{i}.jpg", photo(shade, seed=i), row=False)
        for i, shade in enumerate((BRIGHT, DARK))
    ]
    keys += [shop.upload(f"{i}.jpg", photo(BRIGHT, seed=i), row=False) for i in (2, 3)]
    for key in keys[:3]:
        _add(shop, key, time, pending, moderated_at=None)
    # A person blocks a photo a minute after its upload.
    _add(shop, keys[3], time, blocked, moderated_at=datetime.now(UTC) + timedelta(minutes=1))
    _add(shop, f"{shop.settings.photo_prefix}gone.jpg", time, pending, moderated_at=None)
    report = run_nightly(shop)
    assert (report["listed"], report["judged"]) == (5, 4)
    assert report["quarantine_reasons"] == {"object_absent": 1}
    shown = dict(
        shop.rows("select object_key, moderation_status::text from commerce.review_image")  # type: ignore[arg-type]  # pairs
    )
    assert [shown[key] for key in keys] == [passed, review, passed, blocked]
    assert run_nightly(shop, "again")["already_judged"] == 4


@pytest.mark.parametrize("time", [instant_of(), NEW_YORK, MILLISECONDS], ids=lambda t: t.sql_type)
def test_rows_without_a_usable_key_are_left_out_and_counted(shop: Shop, time: TimeColumn) -> None:
    shop = with_columns(shop, time, TEXT)
    shop.execute("drop index commerce.review_image_object_key")  # it takes no long key
    good = shop.upload("good.jpg", photo(BRIGHT), row=False)
    # The last one does not fit into an index of our tables either.
    for key in (good, None, None, "", "%x" % 3**20_000):
        _add(shop, key, time, "pending", moderated_at=None)
    _add(shop, None, time, "pass", moderated_at=None)  # nothing is expected of it
    with capture_logs() as logs:
        report = run_nightly(shop)
    assert (report["listed"], report["quarantined"], report["rows_without_key"]) == (1, 0, 4)
    assert [line["rows"] for line in logs if "rows" in line] == [4]
    assert shop.status(good) == "pass"


def test_preflight_refuses_local_times_without_a_zone(shop: Shop) -> None:
    shop = with_columns(shop, NEW_YORK, TEXT)
    shop = with_names(shop, CommerceNames())
    with pytest.raises(SettingsError, match="set MODERATION_COMMERCE__TIMEZONE") as refused:
        start_run(shop)
    assert "uploaded_at" in str(refused.value)
    assert "moderated_at" in str(refused.value)
    assert shop.rows("select 1 from moderation.audit_run") == []


REFUSALS = {
    "check of two columns": (
        "alter table commerce.review_image add check (moderated_at is null or product_id > 5)",
    ),
    "no partition": (
        "alter table commerce.review_image rename to old",
        """create table commerce.review_image (like commerce.old)
        partition by list (moderation_status)""",
        "create table commerce.p partition of commerce.review_image for values in ('pending')",
        "insert into commerce.review_image select * from commerce.old",
    ),
    "trigger": (
        """create function commerce.refuse() returns trigger language plpgsql as
        'begin raise exception using message = ''no''; end'""",
        """create trigger refuse before update on commerce.review_image for each row
        execute function commerce.refuse()""",
    ),
}


@pytest.mark.parametrize("changes", REFUSALS.values(), ids=REFUSALS)
def test_row_that_the_table_refuses_is_a_typed_error(shop: Shop, changes: tuple[str, ...]) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT))
    for change in changes:
        shop.execute(change)
    with pytest.raises(SettingsError, match=r"review_image refuses a row: .*let its constraints"):
        run_nightly(shop)
    assert shop.status(key) == "pending"


def test_every_step_refuses_a_table_that_was_changed_meanwhile(shop: Shop) -> None:
    start_run(shop)
    shop.execute("alter table commerce.review_image alter moderated_at type timestamp")
    fresh = replace(shop, connections=replace(shop.connections))
    with pytest.raises(SettingsError, match="set MODERATION_COMMERCE__TIMEZONE"):
        finish_run(fresh)
