"""Commerce tables whose columns have other types, and the values that a shop writes there."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ml.core.commerce_names import CommerceNames
from tests.support.servers import Shop

Encode = Callable[[datetime], object]


@dataclass(frozen=True)
class TimeColumn:
    """A type of a time, what the settings say of it, and how the shop stores an instant."""

    sql_type: str
    encode: Encode
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For the test's id."""
        return "-".join([self.sql_type, *self.settings.values()])


@dataclass(frozen=True)
class StatusColumn:
    """A type of the status; its values for pending, pass, review and block."""

    sql_type: str
    values: tuple[str, str, str, str] = ("pending", "pass", "review", "block")
    create: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the values."""
        names = ("status_pending", "status_pass", "status_review", "status_block")
        return dict(zip(names, self.values, strict=True))


def instant_of(sql_type: str = "timestamptz") -> TimeColumn:
    """A type that stores instants."""
    return TimeColumn(sql_type, lambda at: at)


def local_time(zone: str, sql_type: str = "timestamp") -> TimeColumn:
    """The wall clock of a zone."""
    return TimeColumn(
        sql_type,
        lambda at: at.astimezone(ZoneInfo(zone)).replace(tzinfo=None),
        {"timezone": zone},
    )


def epoch(sql_type: str, unit: str) -> TimeColumn:
    """A number, cut off to whole units."""
    factor = {"seconds": 1, "milliseconds": 1000}[unit]
    return TimeColumn(sql_type, lambda at: int(at.timestamp() * factor), {"time_unit": unit})


NUMBERS = ("0", "1", "2", "3")
LABELS = ("waiting", "Approved", "in review", "it's blocked")
ENUM = StatusColumn(
    'commerce."Status"',
    LABELS,
    "create type commerce.\"Status\" as enum ('waiting', 'Approved', 'in review', 'it''s blocked')",
)
STATUSES = (
    StatusColumn("text"),
    ENUM,
    StatusColumn("varchar(7)"),
    StatusColumn("char(12)"),
    StatusColumn("smallint", NUMBERS),
    StatusColumn("integer", NUMBERS),
    StatusColumn(
        "commerce.word", create="create domain commerce.word as varchar(9) check (value <> '')"
    ),
)
TIMES = (
    instant_of(),
    instant_of("timestamptz(0)"),
    local_time("America/New_York"),
    local_time("America/New_York", "timestamp(0)"),
    local_time("Europe/Dublin"),
    local_time("Australia/Lord_Howe", "timestamp(3)"),
    local_time("Africa/Casablanca"),
    local_time("UTC"),
    epoch("bigint", "milliseconds"),
    epoch("bigint", "seconds"),
    epoch("integer", "seconds"),
    epoch("numeric", "milliseconds"),
    epoch("numeric(10)", "seconds"),
    epoch("double precision", "seconds"),
)


def with_columns(shop: Shop, time: TimeColumn, status: StatusColumn) -> Shop:
    """The shop with an empty table of these columns, and settings for it."""
    if status.create:
        shop.execute(status.create)
    shop.execute("truncate commerce.review_image")
    for change in (
        "column moderation_status drop default",
        f"column moderation_status type {status.sql_type} using null",
        "column moderation_status drop not null",
        f"column uploaded_at type {time.sql_type} using null",
        f"column moderated_at type {time.sql_type} using null",
        "column object_key drop not null",
        "column uploaded_at drop not null",
    ):
        shop.execute(f"alter table commerce.review_image alter {change}")
    return with_names(shop, CommerceNames(**status.settings, **time.settings))


def with_names(shop: Shop, names: CommerceNames) -> Shop:
    """The shop with other settings of the commerce table, which is read again."""
    return replace(
        shop,
        settings=shop.settings.model_copy(update={"commerce": names}),
        connections=replace(shop.connections, commerce_names=names),
    )


def status_type(shop: Shop) -> str:
    """The name of the type of the status."""
    return str(
        shop.rows(
            "select format_type(atttypid, atttypmod) from pg_attribute where attname = "
            "'moderation_status' and attrelid = 'commerce.review_image'::regclass"
        )[0][0]
    )
