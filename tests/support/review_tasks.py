"""Scored photos that wait for review: bytes, ledger, verdict, commerce row and task."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml.core.errors import ImageRejected
from ml.policy.schema import load_policy
from ml.vision.images.decode import decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import DecodeLimits
from tests.support.servers import Shop

NIGHT = timedelta(hours=6)  # age of the verdicts; the photos are an hour older

_ROW = """
    insert into commerce.review_image (
        review_id, product_id, object_key, uploaded_at, moderation_status, moderated_at
    )
    values (:review, :product, :key, :uploaded_at, 'review', :at)
"""
_IMAGE = """
    insert into moderation.image (
        object_key, etag, size_bytes, uploaded_at, content_sha256, pdq, pdq_quality, width, height,
        state, written_status, written_at
    )
    values (
        :key, :etag, :size, :uploaded_at, :content, :pdq, :quality, :width, :height,
        'judged', 'review', :at
    )
"""
_VERDICT = """
    insert into moderation.verdict (
        content_sha256, model_hash, policy_version, decision, reasons, scores, violation_score,
        pass_confidence, screens, runtime_versions, run_id, judged_at
    )
    values (
        :content, :model, :policy, :decision, :reasons, cast(:scores as jsonb), :score, 0.7,
        cast(:screens as jsonb), '{}', 'night', :at
    )
    on conflict do nothing
"""
_TASK = """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, route, kind, run_id, opened_at
    )
    select object_key, etag, content_sha256, :model, :policy, :reasons, :score,
        :priority, :route, :kind, 'night', :opened_at
    from moderation.image where object_key = :key
    order by uploaded_at desc limit 1
"""


def judged_photo(
    shop: Shop,
    name: str,
    data: bytes,
    *,
    reasons: Sequence[str] = ("violation:violate",),
    score: float = 0.8,
    scores: Mapping[str, float] | None = None,
    screens: Mapping[str, object] | None = None,
    decision: str = "review",
    kind: str = "verdict",
    route: str | None = None,
    priority: float | None = None,
    opened_at: datetime | None = None,
    product: int = 1,
    review: int = 1,
) -> int:
    """Upload a photo, write the rows of a nightly run, and open its task; return the task's id.

    `score` is the violation score; `scores` is derived from it for the classes `normal` and
    `violate` by default; `reasons` are those of task and verdict. The object's key is the shop's
    prefix and `name`.
    """
    stored_photo(shop, name, data, product=product, review=review)
    add_verdict(
        shop, content_hash(data), score=score, scores=scores, screens=screens, reasons=reasons,
        decision=decision,
    )  # fmt: skip
    return add_task(
        shop, name, reasons=reasons, score=score, kind=kind, route=route, priority=priority,
        opened_at=opened_at,
    )  # fmt: skip


def stored_photo(shop: Shop, name: str, data: bytes, *, product: int = 1, review: int = 1) -> str:
    """Store the object, its ledger row and its commerce row; return the key."""
    key = shop.upload(name, data, row=False)
    (listed,) = next(shop.connections.photos.list_pages(key))
    at = datetime.now(UTC) - NIGHT
    seen = _seen(data)
    shop.execute(
        _IMAGE, key=key, etag=listed.etag, size=len(data), uploaded_at=at - timedelta(hours=1),
        at=at, content=content_hash(data), pdq=seen.pdq, quality=seen.quality, width=seen.width,
        height=seen.height,
    )  # fmt: skip
    if not shop.rows("select 1 from commerce.review_image where object_key = :key", key=key):
        uploaded_at = at - timedelta(hours=1)
        shop.execute(_ROW, review=review, product=product, key=key, uploaded_at=uploaded_at, at=at)
    return key


def add_verdict(
    shop: Shop,
    content: str,
    *,
    score: float = 0.8,
    scores: Mapping[str, float] | None = None,
    screens: Mapping[str, object] | None = None,
    reasons: Sequence[str] = ("violation:violate",),
    decision: str = "review",
) -> None:
    """Add the champion's verdict under the shop's policy unless there is one."""
    all_scores = scores or {"normal": 1 - score, "violate": score}
    shop.execute(
        _VERDICT, content=content, model=shop.model_hash, policy=_policy_version(shop),
        decision=decision, reasons=list(reasons), scores=json.dumps(all_scores), score=score,
        screens=json.dumps(screens or {}), at=datetime.now(UTC) - NIGHT,
    )  # fmt: skip


def add_task(
    shop: Shop,
    name: str,
    *,
    reasons: Sequence[str] = ("violation:violate",),
    score: float = 0.8,
    kind: str = "verdict",
    route: str | None = None,
    priority: float | None = None,
    opened_at: datetime | None = None,
) -> int:
    """Open another task for the newest content of a stored photo; return its id."""
    shop.execute(
        _TASK, key=f"{shop.settings.photo_prefix}{name}", model=shop.model_hash,
        policy=_policy_version(shop), reasons=list(reasons), score=score, kind=kind, route=route,
        priority=score if priority is None else priority,
        opened_at=opened_at or datetime.now(UTC) - NIGHT,
    )  # fmt: skip
    return int(str(shop.rows("select max(task_id) from moderation.review_task")[0][0]))


@dataclass(frozen=True)
class _Seen:
    pdq: str | None = None
    quality: int | None = None
    width: int | None = None
    height: int | None = None


def _seen(data: bytes) -> _Seen:
    """Return the photo's data as the scoring step stores it; empty if it cannot be decoded."""
    try:
        photo = decode(data, limits=DecodeLimits())
    except ImageRejected:
        return _Seen()
    pdq, quality = perceptual_hash(photo.image)
    return _Seen(pdq, quality, photo.width, photo.height)


def _policy_version(shop: Shop) -> str:
    return load_policy(shop.settings.policy_file).version
