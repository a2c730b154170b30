"""The shop of a campaign: two days of uploads with every kind of outcome, and what people did."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import segno
import yaml
from PIL import Image

from ml.core.settings import ROOT
from ml.policy.schema import Policy, load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.golden_tasks import insert_golden_tasks
from ml.review.queue import claim_tasks
from ml.storage.database import in_transaction
from tests.support.labelled_photos import archive_photo
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.policies import write_policy
from tests.support.reuploads import apply_edit
from tests.support.servers import Shop

LEVELS = (BRIGHT, BRIGHT, MIDDLE, DARK, BRIGHT)
LARGE = (320, 240)  # large enough for a perceptual hash
# Few labels, some of them wrong, are enough to promote what is better than the champion.
RETRAINING = {
    "min_new_labels": 50,
    "leak_bound": {"rate": 0.5, "confidence": 0.6},
    "gates": {
        "recall_floor": {"violate": 0.1}, "calibration_error": 1.0, "significance": 0.001,
        "latency_ratio": 1000.0, "label_issue_share": 1.0,
    },
    # Without a wrong label among the validation photos, the network's scores would be extreme.
    "label_issues": {"action": "down_weight"},
    "approval": "auto",
}  # fmt: skip
LONG_LEASE = 1_000_000.0  # seconds: no lease ends during a campaign
# Photos of one review would all be in one split of the labels.
_SEPARATE_REVIEWS = "update commerce.review_image set review_id = image_id"
_ADD_GOLDEN_SET = """
    insert into moderation.golden_set (golden_hash, name, photos, added) values ('g', 'g', 2, 2)
"""
_ADD_GOLDEN_PHOTOS = """
    insert into moderation.golden_photo
    select 'g', content_sha256, 'violate' from moderation.archived_photo
"""


def write_campaign_policy(folder: Path) -> Path:
    """Write a policy under which every action occurs."""
    raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
    raw["classes"]["violate"] |= {"action": "block", "block_confidence": 0.97}
    raw["reviewing"] |= {
        "golden_share": 0.0, "second_review_share": 0.3, "lease_seconds": 3600,
    }  # fmt: skip
    on = {name: raw["screens"][name] for name in ("sharpness", "codes", "duplicates")}
    shares = {"passed": 0.1, "blocked": 0.3}
    retention = {
        "verdict_days": 91, "quarantine_days": 91, "shadow_verdict_days": 7,
        "training_artifact_days": 7, "report_photo_days": 7, "archived_photo_days": 1,
    }  # fmt: skip
    raw["retraining"] |= RETRAINING
    return write_policy(folder, raw, screens=on, spot_check=shares, retention=retention)


def upload_first_day(shop: Shop) -> None:
    """Upload the photos of the first run."""
    for number in range(50):
        shop.upload(f"a/{number:03}.jpg", _photo(number))
    for number in range(3):
        shop.upload(f"a/broken-{number}.jpg", _broken(number))
    shop.upload("a/no-row.jpg", _photo(900), row=False)
    shop.add_row(f"{shop.settings.photo_prefix}a/no-object.jpg")
    shop.execute(_SEPARATE_REVIEWS)


def upload_second_day(shop: Shop, photos: int) -> None:
    """Upload new photos, re-uploads, copies, edits, late rows and late objects."""
    prefix = shop.settings.photo_prefix
    for number in range(photos):
        shop.upload(f"b/{number:03}.jpg", _photo(1000 + number))
    for number, data in enumerate(_special_photos()):
        shop.upload(f"b/special-{number:02}.jpg", data)
    for number in range(0, 12, 2):  # re-uploads: of passed, blocked and decided photos
        shop.upload(f"a/{number:03}.jpg", _photo(2000 + number), row=False)
    for number in range(12, 20):  # the very bytes of the first day, some of them decided
        shop.upload(f"b/copy-{number:03}.jpg", _photo(number))
    for number in range(4):  # the same bytes twice in one run, in other shards
        shop.upload(f"b/{number:03}-again.jpg", _photo(1000 + photos - 1 - number))
    shop.add_row(f"{prefix}a/no-row.jpg")
    shop.upload("a/no-object.jpg", _photo(901), row=False)
    shop.upload("b/no-row.jpg", _photo(902), row=False)
    shop.add_row(f"{prefix}b/no-object.jpg")
    shop.execute(_SEPARATE_REVIEWS)
    _let_the_merchant_act(shop)


def review_first_day(shop: Shop) -> None:
    """Let reviewers decide some tasks; one of them holds a golden task."""
    policy = load_policy(shop.settings.policy_file)
    for data in (_photo(910), _photo(911)):
        archive_photo(shop, data)
    for statement in (_ADD_GOLDEN_SET, _ADD_GOLDEN_PHOTOS):
        shop.execute(statement)
    for number, reviewer in enumerate(("ann", "bob")):
        tasks = _claim(shop, policy, reviewer)
        for task_id in tasks[: 5 - number]:
            label = "violate" if task_id % 2 else "normal"
            decision = ReviewerDecision(task_id, label, reviewer)
            parts = {"commerce": shop.connections.commerce, "names": shop.settings.commerce}
            in_transaction(
                shop.connections.engine,
                lambda c, d=decision, p=parts: decide_task(c, d, policy=policy, **p),
            )


def wait_for_next_second() -> datetime:
    """Return a moment between the uploads before and those after: S3 tells whole seconds."""
    time.sleep(1.1)
    moment = datetime.now(UTC).replace(microsecond=0)
    time.sleep(1.1)
    return moment


def write_label_file(folder: Path, photos: int = 60) -> Path:
    """Write a CSV file of labels with its photos; every tenth line is rejected."""
    (folder / "photos").mkdir(parents=True)
    decided = datetime.now(UTC) - timedelta(days=1)
    lines = ["path,label,reviewer,decided_at,route"]
    for number in range(photos):
        level = (BRIGHT, DARK, MIDDLE, DARK)[number % 4]
        data = b"no photo" if number % 10 == 9 else photo(level, seed=5000 + number)
        (folder / "photos" / f"{number:03}.jpg").write_bytes(data)
        label = ("normal", "violate")[number % 2]
        lines.append(f"photos/{number:03}.jpg,{label},cleo,{decided.isoformat()},import")
    file = folder / "labels.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _claim(shop: Shop, policy: Policy, reviewer: str) -> list[int]:
    """Claim ten tasks and return the ordinary ones; golden ones stay claimed."""
    shares = policy.reviewing.model_copy(update={"golden_share": 0.5})
    mixed = policy.model_copy(update={"reviewing": shares})

    def work(connection: object) -> list[int]:
        options = {"reviewer": reviewer, "lease_seconds": LONG_LEASE}
        tasks = claim_tasks(connection, count=10, commerce=shop.connections.commerce, **options)
        insert_golden_tasks(connection, tasks, policy=mixed, **options)
        return [task.task_id for task in tasks]

    return in_transaction(shop.connections.engine, work)


def _let_the_merchant_act(shop: Shop) -> None:
    """Set the status of some photos by hand."""
    prefix = shop.settings.photo_prefix
    shop.execute(
        "update commerce.review_image set moderation_status = 'block', "
        "moderated_at = now() + interval '1 hour' where object_key like :k",
        k=f"{prefix}b/00_.jpg",
    )


def _photo(seed: int) -> bytes:
    return photo(LEVELS[seed % len(LEVELS)], seed=seed, size=LARGE if seed % 4 == 0 else (64, 48))


def _special_photos() -> Iterator[bytes]:
    """Yield photos that cannot be read, edits of known photos, and QR codes."""
    yield from map(_broken, range(6))
    yield from (apply_edit(_photo(number), "recompressed") for number in range(0, 20, 4))
    for number in range(3):
        with Image.open(io.BytesIO(photo(BRIGHT, seed=3000 + number, size=LARGE))) as opened:
            canvas = opened.convert("RGB")
        drawn = io.BytesIO()
        segno.make(f"https://example.org/{number}", micro=False).save(drawn, kind="png", scale=3)
        canvas.paste(Image.open(drawn).convert("RGB"), (40, 30))
        out = io.BytesIO()
        canvas.save(out, "JPEG", quality=90)
        yield out.getvalue()


def _broken(number: int) -> bytes:
    data = _photo(4000 + number)
    return (b"no photo at all", b"", data[: len(data) // 2])[number % 3]
