"""Labels that the photos speak against: left out by policy, and looked at by a second person.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068): a logistic regression on the
champion's features says of each photo, without having seen its group, how likely each class is;
cleanlab finds the labels that do not fit. Golden photos are not searched: the champion's view must
not shape what it is measured by. Nor are photos that had a second review: where two people
agreed against the features, the photo is hard and its label right.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sqlalchemy import Connection

from ml.connections import Connections
from ml.errors import RunNotBegun
from ml.images.decode import decode_limits
from ml.inference.device import resolve
from ml.inference.features import FeatureReader
from ml.labels.photo_store import local_copies
from ml.model import registry
from ml.retraining.manifest import LabelledPhoto, Manifest, Part, get_manifest
from ml.settings import Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.label_doubts import (
    Doubt,
    load_doubts,
    looked_at_twice,
    open_second_reviews,
    write_doubts,
)
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

FEWEST_PHOTOS = 10  # of each class: fewer say nothing about what is usual for it
_FOLDS = 5
_FEWEST_FOLDS = 2
# Weak enough a fit (scikit-learn's C; its default is 1) that single wrong labels do not bend it:
# there are often as many features as photos.
_INVERSE_PENALTY = 0.1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Searched:
    """Photos (n) of the classes, with the features of each, (n, 512)."""

    classes: tuple[str, ...]
    photos: list[LabelledPhoto]
    features: npt.NDArray[np.float32]

    @property
    def given(self) -> npt.NDArray[np.int64]:
        """Index of each photo's class, (n,)."""
        return np.array([self.classes.index(photo.label) for photo in self.photos], np.int64)


def check_labels(run_id: str, *, settings: Settings, connections: Connections) -> list[Doubt]:
    """Find doubtful labels of the run's snapshot; write them, open a second review of each.

    Doubts that the snapshot has already stand: later steps may have used them.

    Raises:
        RunNotBegun: `freeze` did not finish.
    """
    run, snapshot_hash, known = in_transaction(connections.engine, lambda c: _load(c, run_id))
    if known:
        return known
    if run.champion_hash is None:
        log.warning("labels not checked: there is no champion to see the photos with")
        return []
    manifest = get_manifest(connections.models, snapshot_hash)
    searched = _see(manifest, run.champion_hash, settings, connections)
    folds = _folds(searched)
    if folds < _FEWEST_FOLDS:
        return []
    likely = _out_of_fold(searched, folds, run.seed)
    doubts, scores = _doubts(searched, likely), _violation_scores(searched, likely, run)

    def write(connection: Connection) -> list[Doubt]:
        twice = looked_at_twice(connection, run.as_of)
        once = [doubt for doubt in doubts if doubt.content_sha256 not in twice]
        write_doubts(connection, snapshot_hash, once)
        open_second_reviews(connection, run, once, scores)
        return once

    written = in_transaction(connections.engine, write)
    log.info("labels checked", photos=len(searched.photos), doubts=len(written))
    return written


def _load(connection: Connection, run_id: str) -> tuple[RetrainRun, str, list[Doubt]]:
    run = retrain_runs.load(connection, run_id)
    if run.snapshot_hash is None:
        raise RunNotBegun(f"run {run_id!r} has no snapshot: its `freeze` did not finish")
    return run, run.snapshot_hash, list(load_doubts(connection, run.snapshot_hash).values())


def _see(
    manifest: Manifest, champion_hash: str, settings: Settings, connections: Connections
) -> _Searched:
    """The photos to search, as the champion sees them; those that cannot be decoded are absent."""
    store = connections.models
    reader = FeatureReader(
        registry.fetch(champion_hash, store=store, cache=connections.model_cache),
        device=resolve(settings.device),
        batch_images=settings.batch_images,
        limits=decode_limits(settings),
        decode_threads=settings.decode_threads,
    )
    photos = [photo for photo in manifest.photos if photo.part is not Part.GOLDEN]
    hashes = [photo.content_sha256 for photo in photos]
    features, readable = reader.read(local_copies(store, hashes, settings.data_dir / "labelled"))
    seen = [photo for photo, fine in zip(photos, readable, strict=True) if fine]
    return _Searched(manifest.classes, seen, features)


def _folds(searched: _Searched) -> int:
    """How many folds the rarest class fills with photos that are not alike; 0: too few photos."""
    photos = Counter(photo.label for photo in searched.photos)
    groups = Counter(label for label, _ in {(p.label, p.group) for p in searched.photos})
    rare = [name for name in searched.classes if photos[name] < FEWEST_PHOTOS]
    folds = min(_FOLDS, *(groups[name] for name in searched.classes))
    if rare or folds < _FEWEST_FOLDS:
        log.warning(
            "labels not checked: too few photos, or nearly all alike",
            photos={name: photos[name] for name in searched.classes},
            needed=FEWEST_PHOTOS,
        )
        return 0
    return folds


def _out_of_fold(searched: _Searched, folds: int, seed: int) -> Floats:
    """Probability (n, classes) of each class, by regressions that saw no photo of the group."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    likely: Floats = cross_val_predict(
        model,
        searched.features.astype(np.float64),
        searched.given,
        groups=[photo.group for photo in searched.photos],
        cv=StratifiedGroupKFold(folds, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    return likely


def _doubts(searched: _Searched, likely: Floats) -> list[Doubt]:
    # Here, since the import takes seconds that no other step should pay.
    from cleanlab.filter import find_label_issues  # noqa: PLC0415
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415

    given = searched.given
    # "both": only what the prunings by class and by noise rate agree on; people's time is dear.
    wrong = find_label_issues(given, likely, filter_by="both", n_jobs=1)
    quality = get_label_quality_scores(given, likely)
    best = likely.argmax(axis=1)
    return [
        Doubt(
            content_sha256=searched.photos[i].content_sha256,
            label=searched.photos[i].label,
            likely_label=searched.classes[best[i]],
            label_quality=float(quality[i]),
        )
        for i in np.flatnonzero(wrong & (best != given)).tolist()
    ]


def _violation_scores(searched: _Searched, likely: Floats, run: RetrainRun) -> dict[str, float]:
    columns = [c in run.policy.violations for c in searched.classes]
    scores = likely[:, columns].sum(axis=1).tolist()
    return {p.content_sha256: s for p, s in zip(searched.photos, scores, strict=True)}
