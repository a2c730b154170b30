"""The photos of a golden set, for hidden checks; blind second reviews queue among the others."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What golden/<hash>.json lists, where a claim can ask for it. Sets frozen before this have no
    # rows: hidden golden items begin with the next snapshot.
    op.execute(
        """
        CREATE TABLE moderation.golden_photo (
            golden_hash TEXT NOT NULL,
            content_sha256 TEXT NOT NULL,
            label TEXT NOT NULL,
            PRIMARY KEY (golden_hash, content_sha256),
            FOREIGN KEY(golden_hash) REFERENCES moderation.golden_set (golden_hash)
        )
        """
    )
    op.execute("CREATE INDEX golden_photo_content ON moderation.golden_photo (content_sha256)")
    # Only what was asked before waits behind the rest. By the kind's name alone a blind second
    # review would come last of all, and so be known for what it is.
    op.execute("DROP INDEX moderation.review_task_priority")
    op.execute(
        """
        CREATE INDEX review_task_priority ON moderation.review_task (
            (kind = 'second_review'), priority DESC, task_id
        ) WHERE state = 'open'
        """
    )
