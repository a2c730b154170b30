"""Statements that add the rows of some old runs; `benchmarks.two_years_rows` executes them.

The temporary table `part` has the photos of these runs.
"""

FILL = (
    "set local synchronous_commit = off",
    "set local timezone = 'UTC'",
    """
    create temporary table part as
    select *, 'reviews/' || to_char(uploaded_at, 'YYYY/MM/DD/') || lpad(i::text, 9, '0') || '.jpg'
        as object_key, left(content, 32) as etag
    from (
        select run, (run - 1) * cast(:per_run as bigint) + place as i,
            'run-' || lpad(run::text, 4, '0') as run_id,
            'model-' || run / cast(:runs_per_model as int) as model_hash,
            cast(:start as timestamptz) + (run - 1) * interval '1 day'
                + (place - 1) * cast(:step as interval) as uploaded_at,
            encode(sha256(((run - 1) * cast(:per_run as bigint) + place)::text::bytea), 'hex')
                as content
        from generate_series(cast(:first_run as int), cast(:last_run as int)) run,
            generate_series(1, cast(:per_run as int)) place
    ) as numbered
    """,
    """
    insert into moderation.model_version (model_hash, weights_sha256, card, registered_at)
    select model_hash, 'w', '{}', min(uploaded_at) from part group by 1 on conflict do nothing
    """,
    """
    insert into moderation.promotion (model_hash, promoted_by, reason, promoted_at)
    select model_hash, 'ann', 'monthly', min(uploaded_at) from part group by 1
    """,
    """
    insert into moderation.audit_run (
        run_id, window_start, window_end, model_hash, policy_version, policy, device, state,
        listed, judged, quarantined, already_judged, report, started_at, reconciled_at, shadow_hash
    )
    select run_id, day, day + interval '1 day', model_hash, 'p', '{}', 'cpu', 'reconciled',
        count(*), count(*), 0, 0, '{"verdicts": {"pass": 9, "review": 1, "block": 0}}',
        day + interval '1 day', day + interval '1 day',
        case when run > cast(:runs as int) - cast(:shadow_runs as int) then model_hash end
    from (select *, date_trunc('day', uploaded_at) as day from part) as dated
    group by run, run_id, day, model_hash
    """,
    """
    insert into moderation.audit_shard (run_id, shard_index, first_key, last_key, images, seconds)
    select run_id, 0, min(object_key collate "C"), max(object_key collate "C"), count(*),
        '{"wall": 60}'
    from part group by run_id
    """,
    """
    insert into moderation.image (
        object_key, etag, size_bytes, uploaded_at, content_sha256, pdq, pdq_quality, width, height,
        state, written_status, written_at
    )
    select object_key, etag, 250000, uploaded_at, case when i % 40 <> 7 then content end,
        case when i % 40 <> 7 then content end, 90, 800, 600,
        case when i % 40 = 7 then 'quarantined' else 'judged' end, 'pass',
        uploaded_at + interval '1 day'
    from part
    """,
    """
    insert into moderation.audit_image (run_id, object_key, etag, outcome)
    select run_id, object_key, etag, case when i % 40 = 7 then 'quarantined' else 'judged' end
    from part
    """,
    """
    insert into moderation.quarantine (
        object_key, etag, reason, run_id, quarantined_at, released_by
    )
    select object_key, etag, 'not_an_image', run_id, uploaded_at + interval '1 day',
        case when i % 80 = 7 then run_id end
    from part where i % 40 = 7
    """,
    # One verdict in ten has a later one by the next model.
    """
    insert into moderation.verdict (
        content_sha256, model_hash, policy_version, decision, reasons, scores, violation_score,
        pass_confidence, screens, runtime_versions, run_id, judged_at
    )
    select content, model_hash, 'p', case when i % :every = 0 then 'review' else 'pass' end,
        case when i % :every = 0 then array['violation:violate']
            else array['confident_normal'] end,
        '{"normal": 0.9, "violate": 0.1}', (i % 1000) / 1000.0, 0.7,
        '{"sharpness": {"state": "clear"}}', '{}', run_id, judged_at
    from (
        select i, run_id, content, model_hash, uploaded_at + interval '1 day' as judged_at
        from part where i % 40 <> 7
        union all
        select i, run_id, content, model_hash || '-next', uploaded_at + interval '2 days'
        from part where i % 40 <> 7 and i % 10 = 3
    ) as judged
    """,
    """
    insert into commerce.review_image (
        review_id, product_id, object_key, uploaded_at, moderation_status, moderated_at
    )
    select i / 2, i % 5000, object_key, uploaded_at,
        case when i % 40 = 7 then 'pending' when i % :every = 0 and run = :runs then 'review'
            else 'pass' end,
        case when i % 40 <> 7 then uploaded_at + interval '1 day' end
    from part
    """,
    # A task of a violation, one of a spot check for each ten of those, and a blind second review of
    # one decision in twenty.
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, state, kind, route, sampling_rate, created_at, opened_at
    )
    select object_key, etag, content, model_hash, 'p', array[reason], (i % 1000) / 1000.0,
        (i % 1000) / 1000.0, run_id, case when run = :runs then 'open' else 'decided' end, kind,
        route, case when route = 'spot_check' then 0.01 else 1 end, uploaded_at + interval '1 day',
        uploaded_at + interval '1 day'
    from (
        select *, 'violation:violate' as reason, 'verdict' as kind, null as route
        from part where i % :every = 0
        union all
        select *, 'spot_check', 'verdict', 'spot_check' from part where i % (10 * :every) = 1
        union all
        select *, 'violation:violate', 'blind', 'second_review'
        from part where i % (20 * :every) = 0
    ) as tasks
    """,
    """
    insert into moderation.human_label (
        content_sha256, label, reviewer, decided_at, route, sampling_rate, task_id
    )
    select t.content_sha256, case when t.task_id % 3 = 0 then 'violate' else 'normal' end,
        'reviewer-' || (case t.kind when 'blind' then 19 else t.task_id % 19 end),
        t.opened_at + interval '8 hours', coalesce(t.route, 'violation'), t.sampling_rate, t.task_id
    from moderation.review_task t join part p on p.object_key = t.object_key
    where t.state = 'decided'
    """,
    """
    insert into moderation.decision_undo (label_id, undone_by)
    select label_id, reviewer from moderation.human_label h
    where label_id % 10 = 0 on conflict do nothing
    """,
    """
    insert into moderation.activity (actor, action, target, detail, occurred_at)
    select h.reviewer, 'decide', 'review_task:' || h.task_id, '{"label": "normal"}', h.decided_at
    from moderation.human_label h join part p on p.content = h.content_sha256
    order by h.decided_at
    """,
    """
    insert into moderation.archived_photo (
        content_sha256, object_key, size_bytes, width, height, pdq, pdq_quality, stored_at
    )
    select distinct on (content) content, object_key, 250000, 800, 600, content, 90, uploaded_at
    from part join moderation.human_label h on h.content_sha256 = content
    """,
    """
    insert into moderation.golden_set (golden_hash, name, photos, added, created_at)
    select 'golden-' || model_hash, 'golden-' || model_hash, :golden, :golden, min(uploaded_at)
    from part group by model_hash on conflict do nothing
    """,
    """
    insert into moderation.golden_photo (golden_hash, content_sha256, label)
    select 'golden-' || model_hash, content, 'normal' from (
        select content, model_hash, row_number() over (partition by model_hash order by i) as place
        from part where i % :every = 0
    ) as reviewed
    where place <= :golden on conflict do nothing
    """,
    """
    insert into moderation.label_snapshot (snapshot_hash, as_of, golden_hash, photos, new_photos)
    select 'snapshot-' || model_hash, max(uploaded_at), 'golden-' || model_hash, 1, 1
    from part group by model_hash on conflict do nothing
    """,
    """
    insert into moderation.label_issue (
        snapshot_hash, content_sha256, label, likely_label, label_quality
    )
    select 'snapshot-' || model_hash, content, 'normal', 'violate', 0.1
    from part where i % (50 * :every) = 0
    """,
    """
    insert into moderation.retrain_run (run_id, as_of, policy_version, policy, preset, seed, state)
    select 'retrain-' || model_hash, max(uploaded_at), 'p', '{}', 'fast', 1, 'promoted'
    from part group by model_hash on conflict do nothing
    """,
    """
    insert into moderation.golden_answer (
        task_id, content_sha256, golden_hash, truth, label, reviewer, answered_at
    )
    select task_id, content_sha256, 'golden-model-0', 'normal', label, reviewer, decided_at
    from moderation.human_label where label_id % 50 = 1 on conflict do nothing
    """,
    """
    insert into moderation.shadow_verdict (
        run_id, content_sha256, decision, scores, violation_score
    )
    select run_id, content, 'pass', '{"normal": 0.9, "violate": 0.1}', 0.1
    from part join moderation.audit_run r using (run_id) where r.shadow_hash is not null
    """,
    """
    insert into moderation.alert (kind, dedup_key, details, raised_at, resolved_at)
    select 'queue_age', run_id, '{}', min(uploaded_at), min(uploaded_at) + interval '1 hour'
    from part group by run_id
    """,
    "drop table part",
)
