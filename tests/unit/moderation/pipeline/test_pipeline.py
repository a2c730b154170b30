"""Batches of a shard: the same in every run, whether one at a time is computed or two."""

from pathlib import Path

import pytest
import torch

from ml.core.computation import REFERENCE
from ml.core.settings import Settings
from ml.core.types import Outcome, PendingImage, RejectedImage, Scored
from ml.models.checkpoint import load_checkpoint
from ml.models.predictor import Predictor
from ml.moderation.pipeline.pipeline import Pipeline
from tests.support.champion import make_champion
from tests.support.delayed_streams import delayed_streams
from tests.support.photos import BRIGHT, DARK, photo

BATCH, PHOTOS = 4, 25
BROKEN = {*range(9, 11), PHOTOS - 1}


class _Photos:
    """A bucket whose keys are numbers; some of its objects are no photos."""

    def get(self, key: str, **_: object) -> bytes:
        number = int(key)
        if number in BROKEN:
            return b"no photo"
        return photo(BRIGHT if number % 3 else DARK, seed=number)


def _run(folder: Path) -> list[list[Outcome]]:
    predictor = Predictor(
        load_checkpoint(folder),
        device=torch.device("cpu"),
        batch_size=BATCH,
        computation=REFERENCE,
    )
    settings = Settings(decode_workers=2)
    pipeline = Pipeline(
        store=_Photos(), predictor=predictor, violations=("violate",), settings=settings
    )
    return list(pipeline.run(PendingImage(str(number), "", 0) for number in range(PHOTOS)))


def test_streams_give_the_batches_and_scores_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_champion(tmp_path)
    expected = _run(tmp_path)
    outcomes = [outcome for batch in expected for outcome in batch]
    assert [outcome.image.object_key for outcome in outcomes] == [str(n) for n in range(PHOTOS)]
    assert [len([o for o in batch if isinstance(o, Scored)]) for batch in expected] == [
        *[BATCH] * 5,
        2,
    ]
    rejected = {int(o.image.object_key) for o in outcomes if isinstance(o, RejectedImage)}
    assert rejected == BROKEN
    assert [o.scores["violate"] > 0.5 for o in outcomes if isinstance(o, Scored)] == [
        n % 3 == 0 for n in range(PHOTOS) if n not in BROKEN
    ]
    monkeypatch.setattr(
        "ml.models.inference.torch_backend.create_streams",
        lambda _: delayed_streams(copy=0.01, compute=0.01),
    )
    assert [_comparable(batch) for batch in _run(tmp_path)] == [_comparable(b) for b in expected]


def _comparable(batch: list[Outcome]) -> list[object]:
    return [
        (o.image, o.scores, o.content) if isinstance(o, Scored) else (o.image, str(o.error))
        for o in batch
    ]
