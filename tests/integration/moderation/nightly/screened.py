"""A shop whose policy runs some screens, and photos for them."""

import io
from dataclasses import replace
from pathlib import Path

import segno
from PIL import Image

from ml.policy.schema import load_policy
from ml.review.decide import ReviewerDecision, decide_task
from tests.support.photos import BRIGHT, photo
from tests.support.policies import with_screens
from tests.support.servers import Shop

NO_AUDIT: dict[str, float] = {}


def with_policy(
    shop: Shop,
    folder: Path,
    *,
    spot_check: dict[str, float] = NO_AUDIT,
    **screens: dict[str, object],
) -> Shop:
    """The shop under the shipped policy with these screens alone."""
    path = with_screens(folder / "screened", spot_check=spot_check, **screens)
    return replace(shop, settings=shop.settings.model_copy(update={"policy_file": path}))


def with_code(payload: str, *, seed: int = 0) -> bytes:
    """A bright photo, which the test champion passes, with a small QR code."""
    with Image.open(io.BytesIO(photo(BRIGHT, seed=seed, size=(640, 480)))) as opened:
        canvas = opened.convert("RGB")
    drawn = io.BytesIO()
    segno.make(payload, error="m", micro=False).save(drawn, kind="png", scale=3, border=4)
    canvas.paste(Image.open(drawn).convert("RGB"), (40, 30))
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=90)
    return out.getvalue()


def person_decides(shop: Shop, task_id: int, label: str, reviewer: str = "ann") -> None:
    """A reviewer's decision on a task."""
    with shop.connections.engine.begin() as connection:
        decide_task(
            connection,
            ReviewerDecision(task_id, label, reviewer),
            policy=load_policy(shop.settings.policy_file),
            commerce=shop.connections.commerce,
            names=shop.settings.commerce,
        )


def task_of(shop: Shop, key: str) -> tuple[object, ...]:
    """Id, reasons, priority, route, sampling rate and violation score of a key's task."""
    [row] = shop.rows(
        "select task_id, reasons, priority, route, sampling_rate, violation_score "
        "from moderation.review_task where object_key = :key",
        key=key,
    )
    return row
