"""Names of the commerce table, and what its columns mean; settings `MODERATION_COMMERCE__*`."""

import re
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from ml.core.yaml_file import StrictModel

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
_ZONE = re.compile(r"UTC|[A-Za-z_]+/[A-Za-z0-9_+/-]+")
KEYS = ("image_id", "review_id", "product_id", "object_key", "uploaded_at")
WRITTEN = ("moderation_status", "moderated_at")


class CommerceNames(StrictModel):
    """Names of the commerce table, its columns and its status values; what its times mean."""

    table_schema: Identifier = "commerce"
    table: Identifier = "review_image"
    image_id: Identifier = "image_id"
    review_id: Identifier = "review_id"
    product_id: Identifier = "product_id"
    object_key: Identifier = "object_key"
    uploaded_at: Identifier = "uploaded_at"
    moderation_status: Identifier = "moderation_status"
    moderated_at: Identifier = "moderated_at"
    status_pending: str = "pending"
    status_pass: str = "pass"  # noqa: S105 - a status, not a password
    status_review: str = "review"
    status_block: str = "block"
    timezone: str | None = None  # of `timestamp` columns
    time_unit: Literal["seconds", "milliseconds"] | None = None  # of times that are numbers

    def statuses(self) -> dict[str, str]:
        """The four status values by the names of their settings."""
        names = ("status_pending", "status_pass", "status_review", "status_block")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _statuses_differ(self) -> "CommerceNames":
        if len(set(self.statuses().values())) < len(self.statuses()):
            raise ValueError("the four status values must differ from each other")
        return self

    @model_validator(mode="after")
    def _columns_differ(self) -> "CommerceNames":
        columns = [getattr(self, name) for name in (*KEYS, *WRITTEN)]
        if len(set(columns)) < len(columns):
            raise ValueError("a column may be named once: a view may repeat it under another name")
        return self

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, name: str | None) -> str | None:
        # Without a slash PostgreSQL takes CET, EET, MET and WET for offsets without summer time.
        if name is not None and (name not in available_timezones() or not _ZONE.fullmatch(name)):
            raise ValueError("must be UTC or a zone such as America/New_York")
        return name
