-- The schema `moderation`. Statements end with a semicolon and an empty line.

CREATE TABLE moderation.activity (
    activity_id BIGINT GENERATED ALWAYS AS IDENTITY,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    occurred_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (activity_id)
);

CREATE INDEX activity_actor ON moderation.activity (actor, activity_id);

CREATE INDEX activity_target ON moderation.activity (target, activity_id);

CREATE INDEX activity_time ON moderation.activity (occurred_at);

CREATE TABLE moderation.alert (
    alert_id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    dedup_key TEXT NOT NULL,
    details JSONB NOT NULL,
    raised_at timestamptz DEFAULT now() NOT NULL,
    resolved_at timestamptz,
    notified_at timestamptz,
    resolution_notified_at timestamptz,
    last_error TEXT,
    PRIMARY KEY (alert_id),
    CONSTRAINT alert_times CHECK (resolved_at >= raised_at)
);

CREATE UNIQUE INDEX alert_open ON moderation.alert (kind, dedup_key) WHERE resolved_at is null;

CREATE INDEX alert_undelivered ON moderation.alert (alert_id)
WHERE resolved_at is null and notified_at is null
    or resolved_at is not null and notified_at is not null and resolution_notified_at is null;

CREATE TABLE moderation.api_key (
    key_id TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_sha256 BYTEA NOT NULL,
    rights TEXT[] NOT NULL,
    requests_per_minute INTEGER,
    in_flight INTEGER,
    created_at timestamptz DEFAULT now() NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (key_id),
    CONSTRAINT api_key_rights CHECK (
        rights <@ array['predict', 'metrics'] and cardinality(rights) > 0
    ),
    CONSTRAINT api_key_secret CHECK (length(secret_sha256) = 32),
    CONSTRAINT api_key_limits CHECK (requests_per_minute > 0 and in_flight > 0)
);

CREATE UNIQUE INDEX api_key_name ON moderation.api_key (name) WHERE revoked_at is null;

CREATE TABLE moderation.archived_photo (
    content_sha256 TEXT NOT NULL,
    object_key TEXT COLLATE "C" NOT NULL,
    review_id TEXT,
    size_bytes BIGINT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    pdq TEXT NOT NULL,
    pdq_quality SMALLINT NOT NULL,
    stored_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (content_sha256)
);

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
);

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
);

CREATE INDEX image_content ON moderation.image (content_sha256);

CREATE TABLE moderation.leak_estimate (
    month DATE NOT NULL,
    decision TEXT NOT NULL,
    class TEXT NOT NULL,
    sampled INTEGER NOT NULL,
    reviewed INTEGER NOT NULL,
    violations INTEGER NOT NULL,
    rate FLOAT,
    low FLOAT NOT NULL,
    high FLOAT NOT NULL,
    confidence FLOAT NOT NULL,
    computed_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (month, decision, class),
    CONSTRAINT leak_estimate_decision CHECK (decision in ('pass', 'block')),
    CONSTRAINT leak_estimate_counts CHECK (violations <= reviewed and reviewed <= sampled)
);

CREATE TABLE moderation.purge (
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    cutoff timestamptz NOT NULL,
    days INTEGER NOT NULL,
    deleted BIGINT DEFAULT '0' NOT NULL,
    bytes BIGINT DEFAULT '0' NOT NULL,
    started_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (run_id, kind)
);

CREATE TABLE moderation.quarantine (
    object_key TEXT COLLATE "C" NOT NULL,
    etag TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT DEFAULT '' NOT NULL,
    run_id TEXT NOT NULL,
    quarantined_at timestamptz DEFAULT now() NOT NULL,
    released_by TEXT,
    PRIMARY KEY (object_key, etag)
);

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
    kind TEXT DEFAULT 'verdict' NOT NULL,
    claimed_by TEXT,
    claimed_until timestamptz,
    skipped_by TEXT[] DEFAULT '{}' NOT NULL,
    opened_at timestamptz DEFAULT now() NOT NULL,
    priority FLOAT NOT NULL,
    route TEXT,
    sampling_rate FLOAT DEFAULT '1' NOT NULL,
    excluded_reviewers TEXT[] DEFAULT '{}' NOT NULL,
    PRIMARY KEY (task_id),
    CONSTRAINT review_task_kind CHECK (
        kind in ('verdict', 'second_review', 'blind', 'golden')
    ),
    CONSTRAINT review_task_route CHECK (route in ('spot_check', 'second_review')),
    CONSTRAINT review_task_sampling_rate CHECK (sampling_rate > 0 and sampling_rate <= 1),
    CONSTRAINT review_task_state CHECK (state in ('open', 'claimed', 'decided')),
    CONSTRAINT review_task_lease CHECK (
        (state = 'claimed') = (claimed_by is not null)
        and (state = 'claimed') = (claimed_until is not null)
    )
);

CREATE INDEX review_task_spot_check ON moderation.review_task (created_at)
WHERE route = 'spot_check';

CREATE INDEX review_task_content ON moderation.review_task (content_sha256);

CREATE INDEX review_task_lease_end ON moderation.review_task (claimed_until)
WHERE state = 'claimed';

CREATE UNIQUE INDEX review_task_object ON moderation.review_task (object_key, etag, kind)
WHERE kind <> 'golden';

CREATE INDEX review_task_oldest ON moderation.review_task (opened_at, task_id)
WHERE state = 'open';

CREATE INDEX review_task_priority ON moderation.review_task (
    (kind = 'second_review'::text), priority DESC, task_id
) WHERE state = 'open';

CREATE INDEX review_task_reasons ON moderation.review_task
USING gin (reasons)
WHERE state = 'open';

CREATE INDEX review_task_skipped ON moderation.review_task (task_id)
WHERE state = 'open' and skipped_by <> '{}';

CREATE TABLE moderation.reviewer_preference (
    reviewer TEXT NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    changed_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (reviewer)
);

CREATE TABLE moderation.sampling_key (
    singleton BOOLEAN DEFAULT 'true' NOT NULL CHECK (singleton),
    key BYTEA NOT NULL,
    PRIMARY KEY (singleton)
);

CREATE TABLE moderation.appeal (
    appeal_id BIGINT GENERATED ALWAYS AS IDENTITY,
    task_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    appealed_by TEXT NOT NULL,
    superseded_label_id BIGINT NOT NULL,
    appealed_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (appeal_id),
    FOREIGN KEY(task_id) REFERENCES moderation.review_task (task_id)
);

CREATE INDEX appeal_task ON moderation.appeal (task_id);

CREATE TABLE moderation.blocklist_photo (
    content_sha256 TEXT NOT NULL,
    added_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    added_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (content_sha256),
    FOREIGN KEY(content_sha256) REFERENCES moderation.archived_photo (content_sha256)
);

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
);

CREATE INDEX golden_answer_reviewer ON moderation.golden_answer (reviewer, answered_at);

CREATE TABLE moderation.golden_photo (
    golden_hash TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (golden_hash, content_sha256),
    FOREIGN KEY(golden_hash) REFERENCES moderation.golden_set (golden_hash)
);

CREATE INDEX golden_photo_content ON moderation.golden_photo (content_sha256);

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
        route in ('uncertain', 'violation', 'spot_check', 'second_review', 'import')
    ),
    CONSTRAINT human_label_sampling_rate CHECK (sampling_rate > 0 and sampling_rate <= 1),
    FOREIGN KEY(task_id) REFERENCES moderation.review_task (task_id)
);

CREATE INDEX human_label_content ON moderation.human_label (content_sha256, decided_at);

CREATE INDEX human_label_decided ON moderation.human_label (decided_at);

CREATE INDEX human_label_reviewer ON moderation.human_label (reviewer, label_id)
WHERE task_id is not null;

CREATE TABLE moderation.label_snapshot (
    snapshot_hash TEXT NOT NULL,
    as_of timestamptz NOT NULL,
    golden_hash TEXT NOT NULL,
    photos INTEGER NOT NULL,
    new_photos INTEGER NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (snapshot_hash),
    FOREIGN KEY(golden_hash) REFERENCES moderation.golden_set (golden_hash)
);

CREATE TABLE moderation.decision_undo (
    label_id BIGINT NOT NULL,
    undone_by TEXT NOT NULL,
    undone_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (label_id),
    FOREIGN KEY(label_id) REFERENCES moderation.human_label (label_id)
);

CREATE TABLE moderation.label_issue (
    snapshot_hash TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    label TEXT NOT NULL,
    likely_label TEXT NOT NULL,
    label_quality FLOAT NOT NULL,
    PRIMARY KEY (snapshot_hash, content_sha256),
    FOREIGN KEY(snapshot_hash) REFERENCES moderation.label_snapshot (snapshot_hash)
);

CREATE TABLE moderation.model_version (
    model_hash TEXT NOT NULL,
    weights_sha256 TEXT NOT NULL,
    card JSONB NOT NULL,
    registered_at timestamptz DEFAULT now() NOT NULL,
    snapshot_hash TEXT,
    compared_with TEXT,
    evaluation JSONB,
    gates JSONB,
    gate_decision TEXT,
    PRIMARY KEY (model_hash),
    CONSTRAINT model_version_gate_decision CHECK (gate_decision in ('promote', 'hold')),
    FOREIGN KEY(snapshot_hash) REFERENCES moderation.label_snapshot (snapshot_hash),
    FOREIGN KEY(compared_with) REFERENCES moderation.model_version (model_hash)
);

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
    rows_without_key BIGINT,
    report JSONB,
    started_at timestamptz DEFAULT now() NOT NULL,
    reconciled_at timestamptz,
    shadow_hash TEXT,
    expired_at timestamptz,
    PRIMARY KEY (run_id),
    CONSTRAINT audit_run_window CHECK (window_start < window_end),
    CONSTRAINT audit_run_state CHECK (state in ('running', 'reconciled', 'failed')),
    FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash),
    FOREIGN KEY(shadow_hash) REFERENCES moderation.model_version (model_hash)
);

CREATE TABLE moderation.champion (
    singleton BOOLEAN DEFAULT 'true' NOT NULL CHECK (singleton),
    model_hash TEXT NOT NULL,
    PRIMARY KEY (singleton),
    FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
);

CREATE TABLE moderation.promotion (
    promotion_id BIGINT GENERATED ALWAYS AS IDENTITY,
    model_hash TEXT NOT NULL,
    previous_hash TEXT,
    promoted_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    promoted_at timestamptz DEFAULT now() NOT NULL,
    kind TEXT DEFAULT 'promote' NOT NULL,
    PRIMARY KEY (promotion_id),
    CONSTRAINT promotion_kind CHECK (kind in ('promote', 'rollback')),
    FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash),
    FOREIGN KEY(previous_hash) REFERENCES moderation.model_version (model_hash)
);

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
);

CREATE TABLE moderation.shadow (
    singleton BOOLEAN DEFAULT 'true' NOT NULL CHECK (singleton),
    model_hash TEXT NOT NULL,
    requested_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (singleton),
    FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
);

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
    runtime_versions JSONB NOT NULL,
    run_id TEXT NOT NULL,
    judged_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (content_sha256, model_hash, policy_version),
    CONSTRAINT verdict_decision CHECK (decision in ('pass', 'review', 'block')),
    FOREIGN KEY(model_hash) REFERENCES moderation.model_version (model_hash)
);

CREATE TABLE moderation.audit_image (
    run_id TEXT NOT NULL,
    object_key TEXT COLLATE "C" NOT NULL,
    etag TEXT NOT NULL,
    outcome TEXT,
    fetch_failures SMALLINT DEFAULT '0' NOT NULL,
    reused_label BIGINT,
    reused_decision TEXT,
    PRIMARY KEY (run_id, object_key),
    CONSTRAINT audit_image_outcome CHECK (
        outcome in ('judged', 'quarantined', 'already_judged')
    ),
    CONSTRAINT audit_image_reused CHECK (
        (reused_label is null) = (reused_decision is null)
        and reused_decision in ('pass', 'block')
    ),
    FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id),
    FOREIGN KEY(reused_label) REFERENCES moderation.human_label (label_id)
);

CREATE INDEX audit_image_key ON moderation.audit_image (object_key);

CREATE TABLE moderation.audit_shard (
    run_id TEXT NOT NULL,
    shard_index INTEGER NOT NULL,
    first_key TEXT COLLATE "C" NOT NULL,
    last_key TEXT COLLATE "C" NOT NULL,
    images INTEGER NOT NULL,
    seconds JSONB DEFAULT '{}' NOT NULL,
    PRIMARY KEY (run_id, shard_index),
    FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id)
);

CREATE TABLE moderation.shadow_verdict (
    run_id TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    decision TEXT NOT NULL,
    scores JSONB NOT NULL,
    violation_score FLOAT NOT NULL,
    PRIMARY KEY (run_id, content_sha256),
    CONSTRAINT shadow_verdict_decision CHECK (decision in ('pass', 'review', 'block')),
    FOREIGN KEY(run_id) REFERENCES moderation.audit_run (run_id)
);

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
);

-- Labels that nobody undid: what every reader of labels starts from. Here and below, OFFSET 0 lets
-- each row be looked up by its key. The planner could otherwise join whole tables, which grow for
-- years, to the rows of one run or photo, whose number its statistics do not know.
CREATE VIEW moderation.active_label AS
SELECT h.* FROM moderation.human_label h
WHERE NOT EXISTS (
    SELECT FROM moderation.decision_undo u WHERE u.label_id = h.label_id OFFSET 0
);

-- The outcome of each image of a run, with the verdict of that run's model and policy. A reused
-- human decision takes the place of the machine's.
CREATE VIEW moderation.audit_result AS
SELECT ai.run_id, ai.object_key, ai.etag, ai.outcome, i.uploaded_at, i.content_sha256,
    r.model_hash, r.policy_version,
    CASE WHEN v.decision IS NOT NULL THEN coalesce(ai.reused_decision, v.decision) END
        AS decision,
    CASE
        WHEN v.decision IS NULL OR h.label IS NULL THEN v.reasons
        ELSE ARRAY['human_decision:' || h.label]
    END AS reasons,
    v.violation_score, v.judged_at, ai.reused_label, v.decision AS machine_decision,
    v.scores, v.screens
FROM moderation.audit_image ai
JOIN moderation.audit_run r ON r.run_id = ai.run_id
CROSS JOIN LATERAL (
    SELECT * FROM moderation.image i
    WHERE i.object_key = ai.object_key AND i.etag = ai.etag OFFSET 0
) i
LEFT JOIN LATERAL (
    SELECT * FROM moderation.verdict v
    WHERE ai.outcome IN ('judged', 'already_judged') AND v.content_sha256 = i.content_sha256
        AND v.model_hash = r.model_hash AND v.policy_version = r.policy_version OFFSET 0
) v ON true
LEFT JOIN LATERAL (
    SELECT label FROM moderation.human_label h WHERE h.label_id = ai.reused_label OFFSET 0
) h ON true;

-- The key is made here, once: the same photos are drawn in every retry and on every machine, and
-- nobody outside can tell which.
INSERT INTO moderation.sampling_key (key)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- Append-only is kept by the database, not by convention.
CREATE FUNCTION moderation.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of moderation.% is refused: its rows are history', TG_OP,
        TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER human_label_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation.human_label
FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change();

CREATE TRIGGER promotion_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation.promotion
FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change();

CREATE TRIGGER decision_undo_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation.decision_undo
FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change();

CREATE TRIGGER appeal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation.appeal
FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change();

CREATE TRIGGER activity_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation.activity
FOR EACH STATEMENT EXECUTE FUNCTION moderation.refuse_change();
