"""Write-back to commerce tables of every supported type: a decision of the shop is never lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.storage.write_back import WriteBack
from tests.support.commerce_columns import (
    STATUSES,
    TIMES,
    StatusColumn,
    TimeColumn,
    status_type,
    with_columns,
)
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

KEY, HOUR = "reviews/1.jpg", timedelta(hours=1)
MATRIX = [
    pytest.param(time, status, id=f"{time.title}-{status.sql_type}")
    for time, status in zip(TIMES, cycle(STATUSES), strict=False)
]
# Around the ends of summer time in New York, Dublin, Lord Howe and Casablanca, and anywhere.
CLOCK_CHANGES = [
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
]
UPLOADS = st.one_of(
    st.integers(0, 3 * 365 * 86_400 * 1000).map(
        lambda at: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    ),
    st.builds(
        lambda change, offset: change + offset,
        st.sampled_from(CLOCK_CHANGES),
        st.timedeltas(-2 * HOUR, 2 * HOUR),
    ),
)
OFFSETS = st.one_of(
    st.timedeltas(-4 * HOUR, 4 * HOUR),
    st.timedeltas(timedelta(seconds=-3), timedelta(seconds=3)),
    st.sampled_from([timedelta(0), HOUR, -HOUR, timedelta(minutes=1)]),
)
ZONES = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])


class Night:
    """One judged photo of a run, and the row of the commerce table, in one transaction."""

    def __init__(self, shop: Shop, connection: sa.Connection) -> None:
        self._connection, self._shop = connection, shop
        self.writer = WriteBack("night", shop.connections.commerce, shop.settings.commerce)
        self.execute(
            "insert into moderation.audit_run (run_id, window_start, window_end, model_hash, "
            "policy_version, policy, device) select 'night', now(), now() + interval '1 day', "
            "model_hash, 'p', '{}', 'cpu' from moderation.champion"
        )

    def execute(self, statement: str, **values: object) -> sa.CursorResult[Any]:
        """Run a statement."""
        return self._connection.execute(sa.text(statement), values)

    def judge(self, decision: str, *, listed_at: datetime) -> None:
        """A photo, with the verdict of the run."""
        self.execute(
            "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, "
            "content_sha256, state) values (:key, 'e', 1, :at, 'sha', 'judged')",
            key=KEY, at=listed_at,
        )  # fmt: skip
        self.execute(
            "insert into moderation.audit_image (run_id, object_key, etag, outcome) "
            "values ('night', :key, 'e', 'judged')",
            key=KEY,
        )
        self.execute(
            "insert into moderation.verdict (content_sha256, model_hash, policy_version, decision, "
            "reasons, scores, violation_score, pass_confidence, runtime_versions, run_id, "
            "judged_at) select 'sha', model_hash, 'p', :decision, array['why'], '{}', 0.5, 0.5, "
            "'{}', 'night', :at from moderation.champion",
            decision=decision, at=listed_at + timedelta(hours=9, microseconds=123_456),
        )  # fmt: skip

    def add_row(self, status: str, *, uploaded_at: object, moderated_at: object) -> None:
        """A row as the shop writes it."""
        kind = status_type(self._shop)
        self.execute(
            "insert into commerce.review_image (review_id, product_id, object_key, "  # noqa: S608 - a type of the tests
            "moderation_status, uploaded_at, moderated_at) "
            f"values (1, 1, :key, cast(:status as {kind}), :uploaded_at, :moderated_at)",
            key=KEY, status=status, uploaded_at=uploaded_at, moderated_at=moderated_at,
        )  # fmt: skip

    def write(self) -> str:
        """Write back; returns the status that the shop then reads, without padding."""
        for keys in self.writer.ranges(self._connection):
            self.writer.write(self._connection, keys)
        assert self.writer.unwritten(self._connection) == 0
        return str(
            self.execute("select moderation_status::text from commerce.review_image").scalar_one()
        )


def _in_night(shop: Shop, work: Callable[[Night], None], *, session: str = "UTC") -> None:
    with shop.connections.engine.connect() as connection:
        connection.execute(sa.text(f"set local time zone '{session}'"))
        work(Night(shop, connection))


@pytest.mark.parametrize(("time", "status"), MATRIX)
def test_decision_of_the_shop_around_the_upload_is_never_overwritten(
    shop: Shop, time: TimeColumn, status: StatusColumn
) -> None:
    shop = with_columns(shop, time, status)
    _, passed, _, blocked = status.values
    ambiguity = HOUR if "timezone" in time.settings else timedelta(0)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(uploaded_at=UPLOADS, offset=OFFSETS, session=ZONES)
    def property_holds(uploaded_at: datetime, offset: timedelta, session: str) -> None:
        def check(night: Night) -> None:
            stored = {"uploaded_at": uploaded_at, "moderated_at": uploaded_at + offset}
            night.add_row(blocked, **{name: time.encode(at) for name, at in stored.items()})
            night.judge("pass", listed_at=uploaded_at.replace(microsecond=0))
            shown = night.write()
            if offset >= timedelta(0):
                assert shown == blocked
            elif offset < -ambiguity - timedelta(seconds=3):
                assert shown == passed  # decided on what was there before the re-upload

        _in_night(shop, check, session=session)

    property_holds()


@pytest.mark.parametrize(("time", "status"), MATRIX)
def test_own_status_is_recognized_and_replaced(
    shop: Shop, time: TimeColumn, status: StatusColumn
) -> None:
    shop = with_columns(shop, time, status)
    pending, passed, _, blocked = status.values

    def check(night: Night) -> None:
        at = CLOCK_CHANGES[0] - timedelta(hours=9, minutes=30)  # judged in the hour that repeats
        night.add_row(pending, uploaded_at=time.encode(at), moderated_at=None)
        night.judge("pass", listed_at=at)
        assert night.write() == passed
        assert night.write() == passed
        night.execute("update moderation.verdict set decision = 'block', judged_at = now()")
        assert night.write() == blocked

    _in_night(shop, check, session="Asia/Kolkata")


def _strange(sql_type: str) -> list[object]:
    if sql_type.startswith("timestamp"):
        return ["infinity", "-infinity", "1970-01-01", "0001-01-01 BC", "2999-01-01"]
    if sql_type == "integer":
        return [0, -1, 2_147_483_647]
    strange: list[object] = [0, -1, 9_999_999_999]
    if sql_type in ("bigint", "numeric"):
        strange += [10**17]
    return strange + (["NaN", "Infinity"] if sql_type == "double precision" else [])


@pytest.mark.parametrize(
    "time", [TIMES[0], TIMES[2], *TIMES[8:12], TIMES[13]], ids=lambda t: t.title
)
def test_decision_without_a_real_time_stays(shop: Shop, time: TimeColumn) -> None:
    shop = with_columns(shop, time, STATUSES[0])
    for moderated_at in [None, *_strange(time.sql_type)]:

        def check(night: Night, value: object = moderated_at) -> None:
            row = f"cast('{value}' as {time.sql_type})" if value is not None else "null"
            night.add_row("block", uploaded_at=None, moderated_at=None)
            night.execute(f"update commerce.review_image set moderated_at = {row}")  # noqa: S608 - values of this file
            night.judge("pass", listed_at=CLOCK_CHANGES[0])
            assert night.write() == "block", value

        _in_night(shop, check)
