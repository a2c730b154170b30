"""Pretrained weights distilled by a retraining run, and the runs that compare them."""

from ml.storage.database import run_migration_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0005_pretrained_weights.sql")
