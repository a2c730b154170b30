"""Fill the database with years of data: settled images, their verdicts and commerce rows."""

from sqlalchemy import Connection, text

from benchmarks.setup import BenchShop
from ml.storage.database import in_transaction

# Keys and contents are hashes of numbers. Indexes are built after the inserts, which is faster, and
# without triggers, which would look up the same model version for each row.
_STATEMENTS = (
    """
    create function pg_temp.content(i bigint) returns text language sql immutable
    as $$ select encode(sha256(cast(cast(i as text) as bytea)), 'hex') $$
    """,
    "set local session_replication_role = replica",
    "set local synchronous_commit = off",
    "set local maintenance_work_mem = '512MB'",
    "drop index moderation.image_content",
    "alter table moderation.image drop constraint image_pkey cascade",
    "alter table moderation.verdict drop constraint verdict_pkey",
    "drop index commerce.review_image_object_key, commerce.review_image_uploaded_at",
    """
    insert into moderation.image (
        object_key, etag, size_bytes, uploaded_at, content_sha256, pdq_quality, state,
        written_status
    )
    select 'reviews/old/' || i || '.jpg', left(pg_temp.content(i), 32), 250000,
        now() - interval '30 days' - i * interval '1 second', pg_temp.content(i), 90, 'judged',
        'pass'
    from generate_series(1, :rows) i
    """,
    """
    insert into moderation.verdict (
        content_sha256, model_hash, policy_version, decision, reasons, scores, violation_score,
        pass_confidence, runtime_versions, run_id
    )
    select pg_temp.content(i), model_hash, 'policy of then', 'pass', array['confident_normal'],
        '{"normal": 0.9, "violate": 0.1}', 0.1, 0.7, '{"torch": "x"}', 'old'
    from generate_series(1, :rows) i, moderation.champion
    """,
    """
    insert into commerce.review_image (
        review_id, product_id, object_key, uploaded_at, moderation_status
    )
    select i, i % 50000, 'reviews/old/' || i || '.jpg',
        now() - interval '30 days' - i * interval '1 second', 'pass'
    from generate_series(1, :rows) i
    """,
    "alter table moderation.image add primary key (object_key, etag)",
    "create index image_content on moderation.image (content_sha256)",
    "alter table moderation.verdict add primary key (content_sha256, model_hash, policy_version)",
    "create index review_image_object_key on commerce.review_image (object_key)",
    "create index review_image_uploaded_at on commerce.review_image (uploaded_at)",
    "analyze moderation.image, moderation.verdict, commerce.review_image",
)


def fill_old_rows(shop: BenchShop, rows: int) -> float:
    """Add `rows` settled photos; return the size of the database in GiB."""

    def work(connection: Connection) -> float:
        for statement in _STATEMENTS:
            connection.execute(text(statement), {"rows": rows} if ":rows" in statement else {})
        size = connection.execute(text("select pg_database_size(current_database())"))
        return float(size.scalar_one()) / 2**30

    return in_transaction(shop.connections.engine, work)
