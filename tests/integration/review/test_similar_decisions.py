import io

import numpy as np
import pytest
from PIL import Image

from ml.review.task_explanation import SimilarDecision, SimilarDecisions
from ml.storage.database import in_transaction
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from tests.support.labelled_photos import DECIDED, archive_photo, label_photos
from tests.support.review_tasks import stored_photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def scene(seed: int, *, quality: int = 90) -> bytes:
    """Large soft shapes by seed; another JPEG quality is a near duplicate."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize((320, 240), Image.Resampling.BICUBIC).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _near(
    shop: Shop, decided: SimilarDecisions, data: bytes, **options: object
) -> list[SimilarDecision]:
    with Image.open(io.BytesIO(data)) as image:
        pdq, quality = perceptual_hash(image.convert("RGB"))
    assert quality > 49
    engine = shop.connections.engine
    return in_transaction(engine, lambda c: decided.find_similar(c, pdq, **options))  # type: ignore[arg-type]


def test_similar_decided_photos_are_nearest_first(shop: Shop) -> None:
    decided = SimilarDecisions()
    assert _near(shop, decided, scene(1)) == []
    same, like, other = (
        archive_photo(shop, scene(1)),
        archive_photo(shop, scene(1, quality=75)),
        archive_photo(shop, scene(2)),
    )
    label_photos(shop, [same, like], "violate")
    label_photos(shop, [other], "normal")
    first, second = _near(shop, decided, scene(1))
    assert first == SimilarDecision(same, "violate", DECIDED, 0)
    assert (second.content_sha256, second.label) == (like, "violate")
    assert 0 < second.distance <= 31
    assert [n.content_sha256 for n in _near(shop, decided, scene(1), exclude=same)] == [like]
    assert [n.content_sha256 for n in _near(shop, decided, scene(1), limit=1)] == [same]
    assert [n.content_sha256 for n in _near(shop, decided, scene(2))] == [other]


def test_photos_not_yet_archived_are_found(shop: Shop) -> None:
    stored_photo(shop, "a.jpg", scene(1))
    label_photos(shop, [content_hash(scene(1))], "violate")
    assert [n.label for n in _near(shop, SimilarDecisions(), scene(1))] == ["violate"]


def test_undone_and_new_labels_count_at_once(shop: Shop) -> None:
    decided = SimilarDecisions()
    content = archive_photo(shop, scene(1))
    label_photos(shop, [content], "violate")
    assert [n.label for n in _near(shop, decided, scene(1))] == ["violate"]
    label_photos(shop, [content], "normal", reviewer="bob")
    assert [n.label for n in _near(shop, decided, scene(1))] == ["normal"]
    shop.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, reviewer from moderation.human_label"
    )
    assert _near(shop, decided, scene(1)) == []


def test_only_the_newest_photos_are_indexed(shop: Shop) -> None:
    decided = SimilarDecisions(newest=2)
    contents = [archive_photo(shop, scene(seed)) for seed in range(3)]
    label_photos(shop, contents[:1], "violate")
    assert len(_near(shop, decided, scene(0))) == 1
    label_photos(shop, contents[1:2], "violate")
    label_photos(shop, contents[2:], "violate")
    assert _near(shop, decided, scene(0)) == []
    assert len(_near(shop, decided, scene(1))) == 1
