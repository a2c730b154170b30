"""The shop's own table, under the names that the settings give it."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text

from ml.settings import CommerceNames


def review_image(names: CommerceNames) -> Table:
    """`commerce.review_image` as a Table: `.c` keys are ours, names in SQL are the shop's."""
    return Table(
        names.table,
        MetaData(),
        Column(names.image_id, Text, key="image_id"),
        Column(names.review_id, Text, key="review_id"),
        Column(names.product_id, Text, key="product_id"),
        Column(names.object_key, Text, key="object_key"),
        Column(names.uploaded_at, DateTime(timezone=True), key="uploaded_at"),
        Column(names.moderation_status, Text, key="moderation_status"),
        Column(names.moderated_at, DateTime(timezone=True), key="moderated_at"),
        schema=names.table_schema,
    )
