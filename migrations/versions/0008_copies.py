"""Hashes of outside lists, and small pictures of decided photos, by which copies are recognized."""

from ml.storage.database import run_migration_file

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0008_copies.sql")
