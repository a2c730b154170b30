"""The random audit: the key that draws it, the leak rate that people found."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from ml.storage.schema.columns import metadata, time

audit_key = Table(
    "audit_key",  # of the hash that draws the random audit; made by the migration, never changed
    metadata,
    Column("one_row", Boolean, CheckConstraint("one_row"), primary_key=True, server_default="true"),
    Column("key", LargeBinary, nullable=False),
)

leak_estimate = Table(
    "leak_estimate",  # what people said of the random audit's photos
    metadata,
    Column("month", Date, primary_key=True),  # its first day
    Column("decision", Text, primary_key=True),  # of the photos that were drawn
    Column("class", Text, primary_key=True),  # of the wrong ones among them; "": any
    Column("asked", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("rate", Float),  # wrong / answered; null: no answer yet
    Column("low", Float, nullable=False),  # exact interval of the rate, two-sided
    Column("high", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    time("computed_at"),
    CheckConstraint("decision in ('pass', 'block')", name="leak_estimate_decision"),
    CheckConstraint("wrong <= answered and answered <= asked", name="leak_estimate_counts"),
)
