"""How a nightly run computes its scores: four columns of `audit_run`."""

from ml.storage.database import run_migration_file

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0003_run_computation.sql")
