create table moderation.pretrained_weights (
    weights_sha256 text primary key,
    object_key text collate "C" not null,
    card jsonb not null,
    run_id text not null,
    registered_at timestamptz default now() not null
);

create index pretrained_weights_run on moderation.pretrained_weights (run_id);

alter table moderation.retrain_run
    add column weights_sha256 text references moderation.pretrained_weights (weights_sha256),
    add column starts jsonb,
    add column photo_list_hash text
