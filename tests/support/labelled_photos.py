"""Archived photos with reviewers' labels."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import yaml
from PIL import Image

from ml.core.settings import Settings
from ml.storage import photo_cache
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels
from ml.storage.photo_archive import ArchivedPhoto, upsert
from ml.vision.images.fingerprint import perceptual_hash
from tests.support.servers import Shop

DECIDED = datetime(2026, 10, 10, tzinfo=UTC)


def archive_photo(shop: Shop, data: bytes, *, review: str | None = None, key: str = "") -> str:
    """Archive a photo as the snapshot step does; return its content hash."""
    content = photo_cache.cache_photo(shop.connections.models, data)
    with Image.open(io.BytesIO(data)) as image:
        pdq, quality = perceptual_hash(image.convert("RGB"))
        width, height = image.size
    row = ArchivedPhoto(content, key or content, review, len(data), width, height, pdq, quality)
    in_transaction(shop.connections.engine, lambda c: upsert(c, [row]))
    return content


def label_photos(
    shop: Shop,
    contents: Iterable[str],
    name: str,
    *,
    at: datetime = DECIDED,
    reviewer: str = "ann",
    route: str = "uncertain",
    sampling_rate: float = 1.0,
) -> None:
    """Add one reviewer's label to each of the contents."""
    labels = [
        NewLabel(content, name, reviewer, route, at, sampling_rate=sampling_rate)
        for content in contents
    ]
    in_transaction(shop.connections.engine, lambda c: add_labels(c, labels))


def answer_golden_task(
    shop: Shop, content: str, label: str, *, at: datetime, reviewer: str = "ann"
) -> None:
    """Add the answer to a golden task of a photo of the newest golden set."""
    shop.execute(
        "with task as (insert into moderation.review_task (object_key, etag, content_sha256, "
        "model_hash, policy_version, reasons, violation_score, run_id, kind, priority, state) "
        "values (:content, '', :content, 'm', 'p', '{}', 0, 'night', 'golden', 0, 'decided') "
        "returning task_id) "
        "insert into moderation.golden_answer "
        "(task_id, golden_hash, content_sha256, truth, label, reviewer, answered_at) "
        "select task_id, golden_hash, content_sha256, p.label, :label, :reviewer, :at "
        "from task, moderation.golden_photo p join moderation.golden_set s using (golden_hash) "
        "where content_sha256 = :content order by created_at desc limit 1",
        content=content,
        label=label,
        reviewer=reviewer,
        at=at,
    )


def with_retraining(settings: Settings, folder: Path, **values: object) -> Settings:
    """Return settings with a separate policy file, whose section `retraining` is changed."""
    policy = yaml.safe_load(settings.policy_file.read_text(encoding="utf-8"))
    policy["retraining"] |= values
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return settings.model_copy(update={"policy_file": path})
