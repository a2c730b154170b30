"""Fill a review queue with years of data: verdicts, decided and open tasks, labels, photos."""

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image
from sqlalchemy import Connection, text

from benchmarks.photos import phone_mixture
from benchmarks.setup import BenchShop
from ml.storage.database import in_transaction
from ml.vision.images.fingerprint import content_hash

PREFIX = "reviews/queue/"
REAL_PHOTOS = 32  # with bytes in the bucket, first in the queue

# The primary key of the verdicts is built after the inserts, and without triggers: ten million
# foreign-key look-ups of one model version would take minutes.
_STATEMENTS = (
    # Contents are hashes of numbers: distributed like real ones, and reproducible.
    """
    create function pg_temp.content(i bigint) returns text language sql immutable
    as $$ select encode(sha256(cast(cast(i as text) as bytea)), 'hex') $$
    """,
    "set local session_replication_role = replica",
    "set local maintenance_work_mem = '512MB'",
    "alter table moderation.verdict drop constraint verdict_pkey",
    """
    insert into moderation.verdict (
        content_sha256, model_hash, policy_version, decision, reasons, scores, violation_score,
        pass_confidence, runtime_versions, run_id, judged_at
    )
    select pg_temp.content(i), :model, :policy,
        case when i <= :tasks then 'review' else 'pass' end,
        case when i <= :tasks then array['violation:violate'] else array['confident_normal'] end,
        jsonb_build_object('normal', 1 - s, 'violate', s), s, 0.7,
        '{"torch": "x", "pillow": "x", "numpy": "x"}', 'run', now() - i * interval '1 second'
    from generate_series(1, :verdicts) i,
        lateral (select (hashint4(i) & 65535) / 65536.0 as s) score
    """,
    "alter table moderation.verdict add primary key (content_sha256, model_hash, policy_version)",
    """
    insert into moderation.image (
        object_key, etag, size_bytes, uploaded_at, content_sha256, pdq, pdq_quality, width, height,
        state
    )
    select :prefix || i || '.jpg', 'e', 1, now() - i * interval '1 second', pg_temp.content(i),
        pg_temp.content(i), 90, 800, 600, 'judged'
    from generate_series(1, :tasks) i
    """,
    """
    insert into commerce.review_image (
        review_id, product_id, object_key, uploaded_at, moderation_status
    )
    select i, i % 5000, :prefix || i || '.jpg', now() - i * interval '1 second', 'review'
    from generate_series(1, :tasks) i
    """,
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, state, opened_at
    )
    select :prefix || i || '.jpg', 'e', pg_temp.content(i), :model, :policy,
        array[case when i % 3 = 0 then 'low_confidence' else 'violation:violate' end], s, s,
        'run', case when i <= :open then 'open' else 'decided' end,
        now() - i * interval '1 second'
    from generate_series(1, :tasks) i,
        lateral (select (hashint4(i) & 65535) / 65536.0 as s) score
    """,
    """
    insert into moderation.human_label (
        content_sha256, label, reviewer, route, task_id, decided_at
    )
    select pg_temp.content(i), 'normal', 'reviewer' || i % 20, 'violation', task_id,
        now() - i * interval '1 second'
    from generate_series(:open + 1, :tasks) i
    join moderation.review_task on object_key = :prefix || i || '.jpg'
    """,
    """
    insert into moderation.archived_photo (
        content_sha256, object_key, size_bytes, width, height, pdq, pdq_quality
    )
    select pg_temp.content(i), :prefix || i || '.jpg', 1, 800, 600, pg_temp.content(i), 90
    from generate_series(:open + 1, :tasks) i
    """,
)  # fmt: skip
_INSERT_REAL_PHOTO = text(
    """
    with picture as (
        insert into moderation.image (
            object_key, etag, size_bytes, uploaded_at, content_sha256, pdq, pdq_quality,
            width, height, state
        )
        values (:key, :etag, :size, now(), :content, :pdq, 90, :width, :height, 'judged')
    ),
    scored as (
        insert into moderation.verdict (
            content_sha256, model_hash, policy_version, decision, reasons, scores,
            violation_score, pass_confidence, runtime_versions, run_id
        )
        values (
            :content, :model, :policy, 'review', array['violation:violate'],
            '{"normal": 0, "violate": 1}', 1, 0.7, '{}', 'run'
        )
    )
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    values (
        :key, :etag, :content, :model, :policy, array['violation:violate'], 1, 1, 'run'
    )
    """
)
_TABLES = ("verdict", "image", "review_task", "human_label", "archived_photo")


@dataclass(frozen=True)
class RowCounts:
    """Numbers of rows; decided tasks have a label and an archived photo."""

    verdicts: int
    open_tasks: int
    decided_tasks: int


def fill_queue(
    shop: BenchShop, amounts: RowCounts, *, model_hash: str, policy_version: str
) -> None:
    """Insert all rows, upload the first photos, and analyze the tables."""
    version = {"model": model_hash, "policy": policy_version}
    values = version | {
        "verdicts": amounts.verdicts,
        "open": amounts.open_tasks,
        "tasks": amounts.open_tasks + amounts.decided_tasks,
        "prefix": PREFIX,
    }
    engine = shop.connections.engine
    in_transaction(engine, lambda c: _execute_all(c, values))
    for photo in _upload_photos(shop):
        with engine.begin() as connection:
            connection.execute(_INSERT_REAL_PHOTO, photo | version)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in (*(f"moderation.{table}" for table in _TABLES), "commerce.review_image"):
            connection.execute(text(f"vacuum (analyze) {name}"))


def _execute_all(connection: Connection, values: dict[str, object]) -> None:
    for statement in _STATEMENTS:
        connection.execute(text(statement), values)


def _upload_photos(shop: BenchShop) -> Iterator[dict[str, object]]:
    store = shop.connections.photos
    for number, data in enumerate(phone_mixture(REAL_PHOTOS)):
        key = f"{PREFIX}real/{number}.jpg"
        store.put(key, data)
        (listed,) = next(store.list_pages(key))
        with Image.open(io.BytesIO(data)) as photo:
            width, height = photo.size
        yield {
            "key": key,
            "etag": listed.etag,
            "size": len(data),
            "content": content_hash(data),
            "pdq": secrets.token_hex(32),
            "width": width,
            "height": height,
        }
