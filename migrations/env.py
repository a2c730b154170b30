"""Alembic's entry point; called by `ml.storage.database` with a connection in its attributes."""

from alembic import context

from ml.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema="moderation",
)
with context.begin_transaction():
    context.run_migrations()
