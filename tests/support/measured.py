"""A candidate that a monthly run has measured beside the shop's champion, for the pages to show."""

from pathlib import Path

from ml.retraining.evaluate import evaluate_candidate
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import Golden, Month
from tests.support.servers import Shop

RUN = "scheduled__2026-10-01T00:00:00+00:00"


def measured_candidate(shop: Shop, folder: Path, *, inverted: bool = True) -> str:
    """Register a candidate and evaluate it; `inverted` takes bright for dark, all differently.

    Not gated yet: see `tests.support.versions.gated`.
    """
    month = Month(shop, folder, run_id=RUN)
    candidate = month.register("candidate", seed=1, inverted=inverted, probe=True)
    golden = [
        Golden(photo(BRIGHT if i % 2 else DARK, seed=i), "normal" if i % 2 else "violate")
        for i in range(8)
    ]
    month.begin(golden, candidate=candidate, champion=shop.model_hash)
    evaluate_candidate(month.run_id, settings=shop.settings, connections=shop.connections)
    return candidate
