"""Screens and the random audit: reused decisions, the audit's key, and what it found."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A content that a person decided on keeps that decision under its new name; the verdict of the
    # machine stays what it is.
    op.execute(
        """
        ALTER TABLE moderation.audit_image
            ADD COLUMN reused_label BIGINT REFERENCES moderation.human_label (label_id),
            ADD COLUMN reused_decision TEXT,
            ADD CONSTRAINT audit_image_reused CHECK (
                (reused_label is null) = (reused_decision is null)
                and reused_decision in ('pass', 'block')
            )
        """
    )
    op.execute(
        """
        CREATE OR REPLACE VIEW moderation.audit_result AS
        SELECT ai.run_id, ai.object_key, ai.etag, ai.outcome, i.uploaded_at, i.content_sha256,
            r.model_hash, r.policy_version,
            CASE WHEN v.decision IS NOT NULL THEN coalesce(ai.reused_decision, v.decision) END
                AS decision,
            CASE
                WHEN v.decision IS NULL OR h.label_id IS NULL THEN v.reasons
                ELSE ARRAY['human_decision:' || h.label]
            END AS reasons,
            v.violation_score, v.judged_at, ai.reused_label, v.decision AS machine_decision,
            v.scores
        FROM moderation.audit_image ai
        JOIN moderation.audit_run r ON r.run_id = ai.run_id
        JOIN moderation.image i ON i.object_key = ai.object_key AND i.etag = ai.etag
        LEFT JOIN moderation.verdict v ON ai.outcome IN ('judged', 'already_judged')
            AND v.content_sha256 = i.content_sha256
            AND v.model_hash = r.model_hash AND v.policy_version = r.policy_version
        LEFT JOIN moderation.human_label h ON h.label_id = ai.reused_label
        """
    )
    # The key is made here, once: the same photos are drawn in every retry and on every machine,
    # and nobody outside can tell which.
    op.execute(
        """
        CREATE TABLE moderation.audit_key (
            one_row BOOLEAN DEFAULT true NOT NULL,
            key BYTEA NOT NULL,
            PRIMARY KEY (one_row),
            CHECK (one_row)
        )
        """
    )
    op.execute(
        """
        INSERT INTO moderation.audit_key (key)
        VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')))
        """
    )
    op.execute(
        """
        CREATE INDEX review_task_audit ON moderation.review_task (created_at)
        WHERE route = 'random_audit'
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.leak_estimate (
            month DATE NOT NULL,
            decision TEXT NOT NULL,
            class TEXT NOT NULL,
            asked INTEGER NOT NULL,
            answered INTEGER NOT NULL,
            wrong INTEGER NOT NULL,
            rate FLOAT,
            low FLOAT NOT NULL,
            high FLOAT NOT NULL,
            confidence FLOAT NOT NULL,
            computed_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (month, decision, class),
            CONSTRAINT leak_estimate_decision CHECK (decision in ('pass', 'block')),
            CONSTRAINT leak_estimate_counts CHECK (wrong <= answered and answered <= asked)
        )
        """
    )
