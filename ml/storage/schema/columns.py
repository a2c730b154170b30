"""What the tables share: their metadata, and two kinds of column."""

from sqlalchemy import Column, DateTime, MetaData, Text, func

metadata = MetaData(schema="moderation")

_NOW = func.now()


def key(name: str = "object_key", *, primary_key: bool = False) -> Column[str]:
    """A photo's key in its bucket."""
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return Column(name, Text(collation="C"), nullable=False, primary_key=primary_key)


def time(name: str, *, filled: bool = True) -> Column[object]:
    """A point in time: that of the transaction, or (`filled` False) null until it comes."""
    default = _NOW if filled else None
    return Column(name, DateTime(timezone=True), server_default=default, nullable=not filled)
