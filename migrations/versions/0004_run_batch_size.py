"""The batch size of a nightly run, which it finds at its start: a column of `audit_run`."""

from ml.storage.database import run_migration_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0004_run_batch_size.sql")
