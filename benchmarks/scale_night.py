"""A night without the model: what listing, ledger, write-back, account and report take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from sqlalchemy import text

from benchmarks.cost import Cost, measured
from benchmarks.setup import BenchShop
from ml.audit.discover import discover
from ml.audit.preflight import preflight
from ml.audit.reconcile import reconcile
from ml.audit.report import report
from ml.audit.window import Window
from ml.audit.write_back import write_back
from ml.storage.database import in_transaction
from ml.storage.object_store import ListedObject

PAGE = 1000  # objects of a page, as S3 lists them
REVIEWED = 20  # one photo in so many goes to a person

_ADD_ROWS = text(
    """
    insert into commerce.review_image (review_id, product_id, object_key, uploaded_at)
    select i, i % 5000, :prefix || lpad(cast(i as text), 9, '0') || '.jpg', now()
    from generate_series(1, :photos) i
    """
)
# What `judge` leaves in the database for each photo, without the seconds that the model takes.
_JUDGED = (
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
        pass_confidence, libraries, run_id
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
class Listing:
    """Stands where the bucket stands: its pages cost nothing; a real bucket is measured apart."""

    prefix: str
    photos: int
    bucket: str = "listing"

    def check(self) -> None:
        """Always there."""

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Pages of objects that were uploaded just now."""
        now = datetime.now(UTC)
        for first in range(1, self.photos + 1, PAGE):
            last = min(first + PAGE, self.photos + 1)
            yield [
                ListedObject(f"{prefix}{number:09d}.jpg", f"{number:032x}", 250_000, now)
                for number in range(first, last)
            ]


def night(
    shop: BenchShop, servers: Sequence[psutil.Process], name: str, photos: int
) -> dict[str, Cost]:
    """Run the steps of a night of `photos` new ones; their cost by step."""
    prefix = f"reviews/{name}/"
    settings = shop.settings.model_copy(
        update={"photo_prefix": prefix, "policy_file": shop.without_screens()}
    )
    connections = replace(shop.connections, photos=Listing(prefix, photos))  # type: ignore[arg-type]  # what the steps call of a bucket
    engine = connections.engine
    in_transaction(engine, lambda c: c.execute(_ADD_ROWS, {"prefix": prefix, "photos": photos}))
    now = datetime.now(UTC)
    window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
    preflight(name, window, settings=settings, connections=connections)
    parts: dict[str, Any] = {"settings": settings, "connections": connections}
    costs: dict[str, Cost] = {}
    with measured(servers) as costs["discover"]:
        discover(name, **parts)
    for statement in _JUDGED:
        values = {"run_id": name, "reviewed": REVIEWED}
        in_transaction(engine, lambda c, s=statement, v=values: c.execute(text(s), v))  # type: ignore[misc]  # mypy cannot type a lambda's default
    in_transaction(engine, lambda c: c.execute(text("analyze")))
    for step in (write_back, reconcile, report):
        with measured(servers) as costs[step.__name__]:
            step(name, **parts)
    return costs
