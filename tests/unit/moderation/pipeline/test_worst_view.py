"""The worst view of each photo of a batch."""

import numpy as np

from ml.core.types import negative
from ml.models.predictor import Prediction
from ml.moderation.pipeline.worst_view import add_worst, of_worst_views

CLASSES = ("normal", "weapon", "alcohol")


def prediction(*rows: tuple[float, float, float], features: bool = True) -> Prediction:
    scores = [dict(zip(CLASSES, row, strict=True)) for row in rows]
    numbers = np.arange(len(rows), dtype=np.float32)[:, None]
    return Prediction(scores, numbers if features else None)


def test_view_with_the_likeliest_violations_in_sum_counts() -> None:
    mixed, single, normal = (0.2, 0.4, 0.4), (0.4, 0.6, 0.0), (0.9, 0.05, 0.05)
    made = prediction(normal, normal, single, mixed, normal)
    (scores, features), numbers = of_worst_views(made, [1, 3, 1], ("weapon", "alcohol"))
    assert [tuple(each.values()) for each in scores] == [normal, mixed, normal]
    assert numbers == [0, 2, 0]
    assert features is not None
    assert features.ravel().tolist() == [0, 3, 4]


def test_of_equal_views_the_first_counts() -> None:
    row = (0.5, 0.25, 0.25)
    assert of_worst_views(prediction(row, row, row), [3], ("weapon",))[1] == [0]


def test_photos_of_one_view_stay_as_they_are() -> None:
    made = prediction((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), features=False)
    assert of_worst_views(made, [1, 1], ("weapon",)) == (made, [0, 0])


def test_worst_view_is_recorded_where_views_are() -> None:
    views = {"views": negative("views", evidence={"frames": 2})}
    assert add_worst(views, 1)["views"].evidence == {"frames": 2, "worst": 1}
    assert views["views"].evidence == {"frames": 2}
    assert add_worst({}, 0) == {}
