"""Features of decided photos, by which nightly runs find similar ones."""

from ml.storage.database import run_migration_file

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration_file("0006_photo_feature.sql")
