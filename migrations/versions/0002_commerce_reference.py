"""A reference `commerce.review_image` for demo and tests; a real commerce database has its own.

A branch of its own, so that `moderation@head` in production never touches the commerce schema.
"""

from ml.storage.database import run_migration_file

revision = "0002"
down_revision = None
branch_labels = ("commerce_reference",)
depends_on = None


def upgrade() -> None:
    run_migration_file("0002_commerce_reference.sql")
