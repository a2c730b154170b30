"""Photos that are drawn for what their labels would teach: a route of tasks and labels."""

from ml.storage.database import run_migration_file

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0007_active_learning.sql")
