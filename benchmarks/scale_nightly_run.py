"""Cost of the steps of a nightly run without the model: discover, write back, reconcile, report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from sqlalchemy import Connection, TextClause, text

from benchmarks.cost import Cost, measure_cost
from benchmarks.setup import BenchShop
from ml.core.window import Window
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.report import report
from ml.moderation.nightly.write_back import write_back
from ml.storage.database import in_transaction
from ml.storage.s3_responses import ListedObject

PAGE_SIZE = 1000  # objects per page, as S3 lists them
REVIEW_EVERY = 20  # one photo in 20 goes to review

_INSERT_ROWS = text(
    """
    insert into commerce.review_image (review_id, product_id, object_key, uploaded_at)
    select i, i % 5000, :prefix || lpad(cast(i as text), 9, '0') || '.jpg', now()
    from generate_series(1, :photos) i
    """
)
# The rows that `score_shard` writes for each photo, without running the model.
_SCORE_STATEMENTS = (
    """
    update moderation.image i set state = 'judged', pdq = repeat('0', 64), pdq_quality = 90,
        width = 800, height = 600,
        content_sha256 = encode(sha256(cast(i.object_key as bytea)), 'hex')
    from moderation.audit_image a
    where a.run_id = :run_id and a.object_key = i.object_key and a.etag = i.etag
    """,
    """
    insert into moderation.verdict (
        content_sha256, model_hash, policy_version, decision, reasons, scores, violation_score,
        pass_confidence, runtime_versions, run_id
    )
    select i.content_sha256, r.model_hash, r.policy_version,
        case when place % :reviewed = 0 then 'review' else 'pass' end,
        case when place % :reviewed = 0 then array['violation:violate']
            else array['confident_normal'] end,
        '{"normal": 0.9, "violate": 0.1}', 0.1, 0.7,
        '{"torch": "x", "pillow": "x", "numpy": "x"}', :run_id
    from (
        select object_key, etag, row_number() over (order by object_key) as place
        from moderation.audit_image where run_id = :run_id
    ) a
    join moderation.image i using (object_key, etag)
    join moderation.audit_run r on r.run_id = :run_id
    """,
    "update moderation.audit_image set outcome = 'judged' where run_id = :run_id",
)


@dataclass(frozen=True)
class ListingStore:
    """Replacement of the photo bucket that lists for free; a real bucket is measured separately."""

    prefix: str
    photos: int
    bucket: str = "listing"

    def check(self) -> None:
        """Do nothing: the bucket always exists."""

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Yield pages of objects that were uploaded just now."""
        now = datetime.now(UTC)
        for first in range(1, self.photos + 1, PAGE_SIZE):
            last = min(first + PAGE_SIZE, self.photos + 1)
            yield [
                ListedObject(f"{prefix}{number:09d}.jpg", f"{number:032x}", 250_000, now)
                for number in range(first, last)
            ]


def run_steps(
    shop: BenchShop, servers: Sequence[psutil.Process], name: str, photos: int
) -> dict[str, Cost]:
    """Run the steps of a nightly run of `photos` new photos; return the cost by step."""
    prefix = f"reviews/{name}/"
    settings = shop.settings.model_copy(
        update={"photo_prefix": prefix, "policy_file": shop.without_screens()}
    )
    connections = replace(shop.connections, photos=ListingStore(prefix, photos))  # type: ignore[arg-type]  # what the steps call of a bucket
    engine = connections.engine
    in_transaction(engine, lambda c: c.execute(_INSERT_ROWS, {"prefix": prefix, "photos": photos}))
    now = datetime.now(UTC)
    window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
    preflight(name, window, settings=settings, connections=connections)
    parts: dict[str, Any] = {"settings": settings, "connections": connections}
    costs: dict[str, Cost] = {}
    with measure_cost(servers) as costs["discover"]:
        discover(name, **parts)
    for statement in _SCORE_STATEMENTS:
        values = {"run_id": name, "reviewed": REVIEW_EVERY}
        in_transaction(engine, lambda c, s=statement, v=values: c.execute(text(s), v))  # type: ignore[misc]  # mypy cannot type a lambda's default
    in_transaction(engine, lambda c: c.execute(text("analyze")))
    for step in (write_back, reconcile, report):
        with measure_cost(servers) as costs[step.__name__]:
            step(name, **parts)
    return costs


def _execute(connection: Connection, statement: TextClause, values: dict[str, object]) -> None:
    connection.execute(statement, values)
