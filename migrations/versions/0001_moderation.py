"""The schema `moderation`: tables, indexes, views, and the triggers of append-only tables."""

from ml.storage.database import run_migration_file

revision = "0001"
down_revision = None
branch_labels = ("moderation",)
depends_on = None


def upgrade() -> None:
    run_migration_file("0001_moderation.sql")
