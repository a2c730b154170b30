"""What the pages need: how a task came to be, hidden golden items, what a person prefers."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `priority` is the violation score, or a number drawn to hide one; `route` null: as the reasons
    # say (a violation or an uncertain photo); `not_for`: never these.
    op.execute(
        """
        ALTER TABLE moderation.review_task
            ADD COLUMN priority FLOAT,
            ADD COLUMN route TEXT,
            ADD COLUMN sampling_rate FLOAT DEFAULT 1 NOT NULL,
            ADD COLUMN not_for TEXT[] DEFAULT '{}' NOT NULL,
            ADD CONSTRAINT review_task_route CHECK (route in ('random_audit', 'second_review')),
            ADD CONSTRAINT review_task_sampling_rate
                CHECK (sampling_rate > 0 and sampling_rate <= 1),
            DROP CONSTRAINT review_task_kind,
            ADD CONSTRAINT review_task_kind CHECK (
                kind in ('verdict', 'second_review', 'blind', 'golden')
            ),
            DROP CONSTRAINT review_task_object
        """
    )
    op.execute("UPDATE moderation.review_task SET priority = violation_score")
    op.execute("ALTER TABLE moderation.review_task ALTER COLUMN priority SET NOT NULL")
    op.execute("DROP INDEX moderation.review_task_priority")
    op.execute(
        """
        CREATE INDEX review_task_priority ON moderation.review_task (
            kind DESC, priority DESC, task_id
        ) WHERE state = 'open'
        """
    )
    # A golden photo is asked of many people; all else is asked once a photo.
    op.execute(
        """
        CREATE UNIQUE INDEX review_task_object ON moderation.review_task (object_key, etag, kind)
        WHERE kind <> 'golden'
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_content ON moderation.review_task (content_sha256)
        """
    )
    # Answers to golden items measure people; they are no labels, and train nothing.
    op.execute(
        """
        CREATE TABLE moderation.golden_answer (
            task_id BIGINT NOT NULL,
            content_sha256 TEXT NOT NULL,
            golden_hash TEXT NOT NULL,
            truth TEXT NOT NULL,
            label TEXT NOT NULL,
            reviewer TEXT NOT NULL,
            answered_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (task_id),
            FOREIGN KEY(task_id) REFERENCES moderation.review_task (task_id),
            FOREIGN KEY(golden_hash) REFERENCES moderation.golden_set (golden_hash)
        )
        """
    )
    op.execute(
        """
        CREATE INDEX golden_answer_reviewer ON moderation.golden_answer (reviewer, answered_at)
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.reviewer_preference (
            reviewer TEXT NOT NULL,
            preferences JSONB DEFAULT '{}' NOT NULL,
            changed_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (reviewer)
        )
        """
    )
    # Which run judged a photo; all photos of a run by outcome.
    op.execute("CREATE INDEX audit_image_key ON moderation.audit_image (object_key)")
    op.execute("CREATE INDEX human_label_decided ON moderation.human_label (decided_at)")
    op.execute("CREATE INDEX activity_when ON moderation.activity (done_at)")
