"""The schema `moderation`: ledger, runs, verdicts, quarantine, review tasks, model versions."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("moderation",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE moderation.image (
            object_key TEXT COLLATE "C" NOT NULL,
            etag TEXT NOT NULL,
            size_bytes BIGINT NOT NULL,
            uploaded_at timestamptz NOT NULL,
            content_sha256 TEXT,
            pdq TEXT,
            pdq_quality SMALLINT,
            width INTEGER,
            height INTEGER,
            state TEXT DEFAULT 'listed' NOT NULL,
            written_status TEXT,
            written_at timestamptz,
            PRIMARY KEY (object_key, etag),
            CONSTRAINT image_state CHECK (state in ('listed', 'judged', 'quarantined'))
        )
        """
    )
    op.execute("CREATE INDEX image_content ON moderation.image (content_sha256)")
    op.execute(
        """
        CREATE TABLE moderation.model_version (
            model_hash TEXT NOT NULL,
            weights_sha256 TEXT NOT NULL,
            card JSONB NOT NULL,
            registered_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.champion (
            one_row BOOLEAN DEFAULT 'true' NOT NULL CHECK (one_row),
            model_hash TEXT NOT NULL,
            PRIMARY KEY (one_row),
            FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.promotion (
            promotion_id BIGINT GENERATED ALWAYS AS IDENTITY,
            model_hash TEXT NOT NULL,
            previous_hash TEXT,
            promoted_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            promoted_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (promotion_id),
            FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash),
            FOREIGN KEY(previous_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.audit_run (
            run_id TEXT NOT NULL,
            window_start timestamptz NOT NULL,
            window_end timestamptz NOT NULL,
            model_hash TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            policy JSONB NOT NULL,
            device TEXT NOT NULL,
            state TEXT DEFAULT 'running' NOT NULL,
            listed BIGINT,
            judged BIGINT,
            quarantined BIGINT,
            already_judged BIGINT,
            report JSONB,
            started_at timestamptz DEFAULT now() NOT NULL,
            reconciled_at timestamptz,
            PRIMARY KEY (run_id),
            CONSTRAINT audit_run_window CHECK (window_start < window_end),
            CONSTRAINT audit_run_state CHECK (state in ('running', 'reconciled', 'failed')),
            FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.audit_image (
            run_id TEXT NOT NULL,
            object_key TEXT COLLATE "C" NOT NULL,
            etag TEXT NOT NULL,
            outcome TEXT,
            fetch_failures SMALLINT DEFAULT '0' NOT NULL,
            PRIMARY KEY (run_id, object_key),
            CONSTRAINT audit_image_outcome
                CHECK (outcome in ('judged', 'quarantined', 'already_judged')),
            FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.audit_shard (
            run_id TEXT NOT NULL,
            shard_index INTEGER NOT NULL,
            first_key TEXT COLLATE "C" NOT NULL,
            last_key TEXT COLLATE "C" NOT NULL,
            images INTEGER NOT NULL,
            seconds JSONB DEFAULT '{}' NOT NULL,
            PRIMARY KEY (run_id, shard_index),
            FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.verdict (
            content_sha256 TEXT NOT NULL,
            model_hash TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            decision TEXT NOT NULL,
            reasons TEXT[] NOT NULL,
            scores JSONB NOT NULL,
            violation_score FLOAT NOT NULL,
            pass_confidence FLOAT NOT NULL,
            screens JSONB DEFAULT '{}' NOT NULL,
            libraries JSONB NOT NULL,
            run_id TEXT NOT NULL,
            judged_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (content_sha256, model_hash, policy_version),
            CONSTRAINT verdict_decision CHECK (decision in ('pass', 'review', 'block')),
            FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.quarantine (
            object_key TEXT COLLATE "C" NOT NULL,
            etag TEXT NOT NULL,
            reason TEXT NOT NULL,
            detail TEXT DEFAULT '' NOT NULL,
            run_id TEXT NOT NULL,
            quarantined_at timestamptz DEFAULT now() NOT NULL,
            released_by TEXT,
            PRIMARY KEY (object_key, etag)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.review_task (
            task_id BIGINT GENERATED ALWAYS AS IDENTITY,
            object_key TEXT COLLATE "C" NOT NULL,
            etag TEXT NOT NULL,
            content_sha256 TEXT NOT NULL,
            model_hash TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            reasons TEXT[] NOT NULL,
            violation_score FLOAT NOT NULL,
            run_id TEXT NOT NULL,
            state TEXT DEFAULT 'open' NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (task_id),
            CONSTRAINT review_task_object UNIQUE (object_key, etag),
            CONSTRAINT review_task_state CHECK (state in ('open', 'claimed', 'decided'))
        )
        """
    )
    # What became of each image of a run, with the verdict of that run's model and policy.
    op.execute(
        """
        CREATE VIEW moderation.audit_result AS
        SELECT ai.run_id, ai.object_key, ai.etag, ai.outcome, i.uploaded_at, i.content_sha256,
            r.model_hash, r.policy_version, v.decision, v.reasons, v.violation_score, v.judged_at
        FROM moderation.audit_image ai
        JOIN moderation.audit_run r ON r.run_id = ai.run_id
        JOIN moderation.image i ON i.object_key = ai.object_key AND i.etag = ai.etag
        LEFT JOIN moderation.verdict v ON ai.outcome IN ('judged', 'already_judged')
            AND v.content_sha256 = i.content_sha256
            AND v.model_hash = r.model_hash AND v.policy_version = r.policy_version
        """
    )
