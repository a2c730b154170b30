"""A nightly run on a database of years: its own steps, but without bytes and without the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, text

from benchmarks.two_years_rows import DAY, PREFIX, OldShop
from ml.core.concurrency import batched
from ml.core.errors import QuarantineReason
from ml.core.settings import Settings
from ml.core.types import ImageContent, PendingImage, Scored, Shard
from ml.core.window import Window
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.report import report
from ml.moderation.nightly.write_back import write_back
from ml.policy.schema import load_policy
from ml.policy.verdict import decide
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.decided_photos import decided_photos, earlier_decisions
from ml.storage.pending_images import pending_images, set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine
from ml.storage.s3_responses import ListedObject
from ml.storage.verdicts import DecidedVerdict, VerdictSource, write_verdicts

PAGE = 1000  # objects, as S3 lists them
BATCH = 64  # photos that are written together
_INSERT_ROWS = text(
    """
    insert into commerce.review_image (review_id, product_id, object_key, uploaded_at)
    select 1, 1, key, time from unnest(
        cast(:keys as text[]), cast(:times as timestamptz[])
    ) as new(key, time)
    """
)


@dataclass(frozen=True)
class Listing:
    """Stands in for the photo bucket: the old objects, and the new ones of a run after midnight."""

    old: OldShop
    run_id: str
    photos: int
    bucket: str = "listing"

    def check(self) -> None:
        """Do nothing: the bucket always exists."""

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Yield the pages of one day's prefix."""
        day = datetime.strptime(prefix, PREFIX).replace(tzinfo=self.old.midnight.tzinfo)
        listed = self.new_objects() if day == self.old.midnight else list(self.old.list_day(day))
        yield from (list(page) for page in batched(listed, PAGE))

    def new_objects(self) -> list[ListedObject]:
        """The objects of the run."""
        day = self.old.midnight
        return [
            ListedObject(
                f"{day.strftime(PREFIX)}{self.run_id}-{n:09d}.jpg", f"{n:032x}", 250_000, day
            )
            for n in range(self.photos)
        ]


@dataclass(frozen=True)
class NightlyRun:
    """One nightly run of `photos` new photos; its settings list the lookback days too."""

    run_id: str
    settings: Settings
    connections: Connections
    window: Window
    listing: Listing

    def insert_rows(self) -> None:
        """Insert the commerce rows of the new photos, as the shop does."""
        new = self.listing.new_objects()
        values = {"keys": [o.key for o in new], "times": [o.modified_at for o in new]}
        in_transaction(self.connections.engine, lambda c: c.execute(_INSERT_ROWS, values))

    def begin(self, model_hash: str) -> AuditRun:
        """Write the run's row, as `preflight` does."""
        policy = load_policy(self.settings.policy_file)
        run = AuditRun(self.run_id, self.window, model_hash, policy, "cpu")
        return in_transaction(self.connections.engine, lambda c: audit_runs.begin(c, run))

    def discover(self) -> list[Shard]:
        """Run the step."""
        return discover(self.run_id, settings=self.settings, connections=self.connections)

    def score(self, run: AuditRun, shards: Sequence[Shard]) -> None:
        """Read the near-duplicate index and write an outcome for each photo."""
        engine = self.connections.engine
        for _ in decided_photos(engine, run.policy, before=run.started_at):
            pass
        for shard in shards:
            for images in batched(list(pending_images(engine, shard)), BATCH):
                in_transaction(engine, _write_outcomes, run, list(images))

    def run(self, model_hash: str) -> None:
        """Run all steps."""
        self.score(self.begin(model_hash), self.discover())
        self.finish()

    def finish(self) -> None:
        """Run the last three steps."""
        for step in (write_back, reconcile, report):
            step(self.run_id, settings=self.settings, connections=self.connections)


def make_nightly_run(
    settings: Settings, connections: Connections, old: OldShop, run_id: str, *, photos: int
) -> NightlyRun:
    """A run of the day after the old ones."""
    listing = Listing(old, run_id, photos)
    return NightlyRun(
        run_id,
        settings.model_copy(update={"photo_prefix": PREFIX, "timezone": "UTC"}),
        replace(connections, photos=listing),  # type: ignore[arg-type]  # what discover calls
        Window(old.midnight, old.midnight + DAY),
        listing,
    )


def _write_outcomes(connection: Connection, run: AuditRun, images: list[PendingImage]) -> None:
    """One photo in 20 goes to review, and one in 50 is no image."""
    broken = [image for image in images if _number(image) % 50 == 1]
    rows = [
        QuarantineRow(i.object_key, i.etag, QuarantineReason.NOT_AN_IMAGE, "none") for i in broken
    ]
    put_in_quarantine(connection, run.run_id, rows)
    set_outcomes(connection, run.run_id, [image.object_key for image in broken], "quarantined")
    scored = [_scored(image) for image in images if image not in broken]
    verdicts = [
        DecidedVerdict(photo, decide(photo.scores, pass_confidence=0.7, policy=run.policy))
        for photo in scored
    ]
    source = VerdictSource(run.run_id, run.model_hash, run.policy.version, 0.7, {})
    write_verdicts(connection, source, verdicts)
    contents = [photo.content.sha256 for photo in scored]
    earlier_decisions(connection, contents, before=run.started_at)


def _scored(image: PendingImage) -> Scored:
    content = sha256(image.object_key.encode()).hexdigest()
    violation = 0.9 if _number(image) % 20 == 0 else 0.1
    scores = {"normal": 1 - violation, "violate": violation}
    return Scored(image, ImageContent(content, content, 90, 800, 600), scores)


def _number(image: PendingImage) -> int:
    return int(image.object_key.rpartition("-")[2].removesuffix(".jpg"))
