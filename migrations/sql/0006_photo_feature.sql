create table moderation.photo_feature (
    source text,
    content_sha256 text,
    features bytea not null,
    computed_at timestamptz default now() not null,
    primary key (source, content_sha256)
);

create index photo_feature_content on moderation.photo_feature (content_sha256);

create index photo_feature_computed on moderation.photo_feature (source, computed_at)
