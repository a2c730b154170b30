"""The review queue: leases on tasks, undone decisions, appeals, the record of what people did."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `opened_at` is `created_at` until an appeal opens the task again.
    op.execute(
        """
        ALTER TABLE moderation.review_task
            ADD COLUMN claimed_by TEXT,
            ADD COLUMN claimed_until timestamptz,
            ADD COLUMN skipped_by TEXT[] DEFAULT '{}' NOT NULL,
            ADD COLUMN opened_at timestamptz
        """
    )
    # Nothing could hold a lease before there were leases.
    op.execute(
        """
        UPDATE moderation.review_task
        SET opened_at = created_at, state = CASE state WHEN 'claimed' THEN 'open' ELSE state END
        """
    )
    op.execute(
        """
        ALTER TABLE moderation.review_task
            ALTER COLUMN opened_at SET DEFAULT now(),
            ALTER COLUMN opened_at SET NOT NULL,
            ADD CONSTRAINT review_task_lease CHECK (
                (state = 'claimed') = (claimed_by is not null)
                and (state = 'claimed') = (claimed_until is not null)
            )
        """
    )
    # Partial, so that millions of decided tasks cost a claim and a count nothing.
    op.execute(
        """
        CREATE INDEX review_task_priority ON moderation.review_task (
            kind DESC, violation_score DESC, task_id
        ) WHERE state = 'open'
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_oldest ON moderation.review_task (opened_at, task_id)
        WHERE state = 'open'
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_skipped ON moderation.review_task (task_id)
        WHERE state = 'open' and skipped_by <> '{}'
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_reasons ON moderation.review_task USING gin (reasons)
        WHERE state = 'open'
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_lease_end ON moderation.review_task (claimed_until)
        WHERE state = 'claimed'
        """
    )
    op.execute(
        """
        CREATE INDEX human_label_reviewer ON moderation.human_label (reviewer, label_id)
        WHERE task_id is not null
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.decision_undo (
            label_id BIGINT NOT NULL,
            undone_by TEXT NOT NULL,
            undone_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (label_id),
            FOREIGN KEY(label_id) REFERENCES moderation.human_label (label_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.appeal (
            appeal_id BIGINT GENERATED ALWAYS AS IDENTITY,
            task_id BIGINT NOT NULL,
            reason TEXT NOT NULL,
            appealed_by TEXT NOT NULL,
            after_label BIGINT NOT NULL,
            appealed_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (appeal_id),
            FOREIGN KEY(task_id) REFERENCES moderation.review_task (task_id)
        )
        """
    )
    op.execute("CREATE INDEX appeal_task ON moderation.appeal (task_id)")
    op.execute(
        """
        CREATE TABLE moderation.activity (
            activity_id BIGINT GENERATED ALWAYS AS IDENTITY,
            who TEXT NOT NULL,
            what TEXT NOT NULL,
            target TEXT NOT NULL,
            detail JSONB DEFAULT '{}' NOT NULL,
            done_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (activity_id)
        )
        """
    )
    op.execute("CREATE INDEX activity_target ON moderation.activity (target, activity_id)")
    op.execute("CREATE INDEX activity_who ON moderation.activity (who, activity_id)")
    for table in ("decision_undo", "appeal", "activity"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON moderation.{table} FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change()
            """
        )
