"""Learning: human labels, label snapshots, golden sets, retraining runs, shadow, promotions."""

from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE moderation.human_label (
            label_id BIGINT GENERATED ALWAYS AS IDENTITY,
            content_sha256 TEXT NOT NULL,
            label TEXT NOT NULL,
            category TEXT,
            reviewer TEXT NOT NULL,
            decided_at timestamptz DEFAULT now() NOT NULL,
            route TEXT NOT NULL,
            sampling_rate FLOAT DEFAULT '1' NOT NULL,
            task_id BIGINT,
            note TEXT DEFAULT '' NOT NULL,
            PRIMARY KEY (label_id),
            CONSTRAINT human_label_once UNIQUE (content_sha256, reviewer, decided_at, label),
            CONSTRAINT human_label_route CHECK (
                route in ('uncertain', 'violation', 'random_audit', 'second_review', 'import')
            ),
            CONSTRAINT human_label_sampling_rate
                CHECK (sampling_rate > 0 and sampling_rate <= 1),
            FOREIGN KEY(task_id) REFERENCES moderation.review_task (task_id)
        )
        """
    )
    op.execute(
        "CREATE INDEX human_label_content ON moderation.human_label (content_sha256, decided_at)"
    )
    # Append-only is kept by the database, not by good manners.
    op.execute(
        """
        CREATE FUNCTION moderation.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of moderation.% is refused: its rows are history', TG_OP,
                TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in ("human_label", "promotion"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON moderation.{table} FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change()
            """
        )
    op.execute(
        """
        CREATE TABLE moderation.labelled_photo (
            content_sha256 TEXT NOT NULL,
            object_key TEXT COLLATE "C" NOT NULL,
            review_id TEXT,
            size_bytes BIGINT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            pdq TEXT NOT NULL,
            pdq_quality SMALLINT NOT NULL,
            stored_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (content_sha256)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.known_bad (
            content_sha256 TEXT NOT NULL,
            added_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            added_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (content_sha256),
            FOREIGN KEY(content_sha256) REFERENCES moderation.labelled_photo (content_sha256)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.golden_set (
            golden_hash TEXT NOT NULL,
            name TEXT NOT NULL,
            parent_hash TEXT,
            photos INTEGER NOT NULL,
            added INTEGER NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (golden_hash),
            CONSTRAINT golden_set_name UNIQUE (name),
            FOREIGN KEY(parent_hash) REFERENCES moderation.golden_set (golden_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.label_snapshot (
            snapshot_hash TEXT NOT NULL,
            as_of timestamptz NOT NULL,
            golden_hash TEXT NOT NULL,
            photos INTEGER NOT NULL,
            new_photos INTEGER NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (snapshot_hash),
            FOREIGN KEY(golden_hash) REFERENCES moderation.golden_set (golden_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.label_doubt (
            snapshot_hash TEXT NOT NULL,
            content_sha256 TEXT NOT NULL,
            label TEXT NOT NULL,
            likely_label TEXT NOT NULL,
            label_quality FLOAT NOT NULL,
            PRIMARY KEY (snapshot_hash, content_sha256),
            FOREIGN KEY(snapshot_hash) REFERENCES moderation.label_snapshot (snapshot_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.retrain_run (
            run_id TEXT NOT NULL,
            as_of timestamptz NOT NULL,
            policy_version TEXT NOT NULL,
            policy JSONB NOT NULL,
            preset TEXT NOT NULL,
            seed INTEGER NOT NULL,
            champion_hash TEXT,
            snapshot_hash TEXT,
            candidate_hash TEXT,
            state TEXT DEFAULT 'running' NOT NULL,
            reason TEXT DEFAULT '' NOT NULL,
            started_at timestamptz DEFAULT now() NOT NULL,
            finished_at timestamptz,
            PRIMARY KEY (run_id),
            CONSTRAINT retrain_run_state CHECK (
                state in ('running', 'skipped', 'held', 'rejected', 'promoted')
            ),
            FOREIGN KEY(champion_hash) REFERENCES moderation.model_version (model_hash),
            FOREIGN KEY(snapshot_hash) REFERENCES moderation.label_snapshot (snapshot_hash),
            FOREIGN KEY(candidate_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.training_epoch (
            run_id TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            train_loss FLOAT NOT NULL,
            train_accuracy FLOAT NOT NULL,
            validation_loss FLOAT NOT NULL,
            validation_accuracy FLOAT NOT NULL,
            learning_rate FLOAT NOT NULL,
            seconds FLOAT NOT NULL,
            PRIMARY KEY (run_id, epoch),
            FOREIGN KEY(run_id) REFERENCES moderation.retrain_run (run_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.shadow (
            one_row BOOLEAN DEFAULT 'true' NOT NULL CHECK (one_row),
            model_hash TEXT NOT NULL,
            requested_at timestamptz DEFAULT now() NOT NULL,
            PRIMARY KEY (one_row),
            FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE moderation.shadow_verdict (
            run_id TEXT NOT NULL,
            content_sha256 TEXT NOT NULL,
            decision TEXT NOT NULL,
            scores JSONB NOT NULL,
            violation_score FLOAT NOT NULL,
            PRIMARY KEY (run_id, content_sha256),
            CONSTRAINT shadow_verdict_decision CHECK (decision in ('pass', 'review', 'block')),
            FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id)
        )
        """
    )
    op.execute(
        """
        ALTER TABLE moderation.audit_run
            ADD COLUMN shadow_hash TEXT REFERENCES moderation.model_version (model_hash)
        """
    )
    op.execute(
        """
        ALTER TABLE moderation.model_version
            ADD COLUMN snapshot_hash TEXT REFERENCES moderation.label_snapshot (snapshot_hash),
            ADD COLUMN compared_with TEXT REFERENCES moderation.model_version (model_hash),
            ADD COLUMN evaluation JSONB,
            ADD COLUMN gates JSONB,
            ADD COLUMN gate_decision TEXT,
            ADD CONSTRAINT model_version_gate_decision
                CHECK (gate_decision in ('promote', 'hold'))
        """
    )
    op.execute(
        """
        ALTER TABLE moderation.promotion
            ADD COLUMN kind TEXT DEFAULT 'promote' NOT NULL,
            ADD CONSTRAINT promotion_kind CHECK (kind in ('promote', 'rollback'))
        """
    )
    # An image whose label is doubted goes to a person once more.
    op.execute(
        """
        ALTER TABLE moderation.review_task
            ADD COLUMN kind TEXT DEFAULT 'verdict' NOT NULL,
            ADD CONSTRAINT review_task_kind CHECK (kind in ('verdict', 'second_review')),
            DROP CONSTRAINT review_task_object,
            ADD CONSTRAINT review_task_object UNIQUE (object_key, etag, kind)
        """
    )
