create table moderation.blocklist_hash (
    kind text check (kind in ('pdq', 'md5', 'sha256')),
    hash text,
    source text,
    added_by text not null,
    added_at timestamptz default now() not null,
    primary key (kind, hash, source)
);

create index blocklist_hash_source on moderation.blocklist_hash (source);

create table moderation.photo_picture (
    content_sha256 text primary key,
    picture bytea not null
)
