"""Retention: what was deleted, photos without their bytes, runs whose rows may be gone."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE moderation.labelled_photo ADD COLUMN deleted_at timestamptz")
    op.execute("ALTER TABLE moderation.audit_run ADD COLUMN expired_at timestamptz")
    op.execute(
        """
        CREATE TABLE moderation.purge (
            run_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            cut_off timestamptz NOT NULL,
            days INTEGER NOT NULL,
            deleted BIGINT DEFAULT '0' NOT NULL,
            bytes BIGINT DEFAULT '0' NOT NULL,
            begun_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (run_id, kind)
        )
        """
    )
