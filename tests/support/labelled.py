"""Photos with people's labels, as a shop of months has them."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import yaml
from PIL import Image

from ml.images.fingerprint import perceptual_hash
from ml.labels import photo_store
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import LabelledPhotoRow, remember
from ml.storage.labels import NewLabel, add_labels
from tests.support.servers import Shop

DECIDED = datetime(2026, 10, 10, tzinfo=UTC)


def keep(shop: Shop, data: bytes, *, review: str | None = None, key: str = "") -> str:
    """Keep a photo as `freeze` does for those in the shop's bucket; returns its content hash."""
    content = photo_store.keep(shop.connections.models, data)
    with Image.open(io.BytesIO(data)) as image:
        pdq, quality = perceptual_hash(image.convert("RGB"))
        width, height = image.size
    row = LabelledPhotoRow(content, key or content, review, len(data), width, height, pdq, quality)
    in_transaction(shop.connections.engine, lambda c: remember(c, [row]))
    return content


def label(
    shop: Shop,
    contents: Iterable[str],
    name: str,
    *,
    at: datetime = DECIDED,
    reviewer: str = "ann",
    route: str = "uncertain",
    sampling_rate: float = 1.0,
) -> None:
    """One person's label on each of the contents."""
    labels = [
        NewLabel(content, name, reviewer, route, at, sampling_rate=sampling_rate)
        for content in contents
    ]
    in_transaction(shop.connections.engine, lambda c: add_labels(c, labels))


def with_retraining(settings: Settings, folder: Path, **values: object) -> Settings:
    """The settings with a policy file of its own, whose section `retraining` is changed."""
    policy = yaml.safe_load(settings.policy_file.read_text(encoding="utf-8"))
    policy["retraining"] |= values
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return settings.model_copy(update={"policy_file": path})
