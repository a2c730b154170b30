import io

import numpy as np
import pytest
from PIL import Image

from ml.learning.retrain.disagreements import find_disagreements, thumbnail
from ml.models.evaluation.model_comparison import ModelScores, Photos
from ml.vision.images.decode import DecodeLimits
from tests.support.policies import policy

SECRET = b"call 555-0100"


def side(*violation: float) -> ModelScores:
    scores = np.array(violation)
    return ModelScores(np.stack([1 - scores, scores], axis=1), 0.7)


def test_new_leaks_come_first_then_old_ones_then_the_rest() -> None:
    labels = np.array([0, 1, 1, 1, 1, 0])
    photos = Photos(labels, ["x"] * 6, {})
    found = find_disagreements(
        ["rest", "caught", "leak", "great leak", "same", "great rest"],
        photos,
        candidate=side(0.1, 0.9, 0.2, 0.1, 0.9, 0.0),
        champion=side(0.6, 0.1, 0.5, 0.9, 0.8, 0.9),
        policy=policy(violate=None),
    )
    assert [d.content_sha256 for d in found] == [
        "great leak", "leak", "caught", "great rest", "rest",
    ]  # fmt: skip
    first = found[0]
    assert (first.label, first.candidate, first.champion) == ("violate", "pass", "review")
    assert (first.candidate_score, first.champion_score) == (0.1, 0.9)


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (160, 80)), (6, (80, 160))], ids=["upright", "on its side"]
)
def test_a_thumbnail_holds_pixels_and_nothing_else(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.new("RGB", (800, 400), "red").save(out, "JPEG", exif=exif, comment=SECRET)
    assert out.getvalue().count(SECRET) == 2
    small = thumbnail(out.getvalue(), DecodeLimits())
    assert SECRET not in small
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.size == size
        assert not picture.getexif()
        assert "comment" not in picture.info
