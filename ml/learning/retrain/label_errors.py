"""Suspected label errors: weighted less in training, and opened for a second review.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068): a logistic regression on the
champion's features estimates the probability of each class of a photo, without having seen its
group; cleanlab finds the labels that do not fit. A new kind of photo does not fit what was known,
either, but its label is that of its neighbors: a label is suspected only if most of the nearest
photos of other groups have the other label. Golden photos are not searched: the champion must
not influence the set that evaluates it. Nor are photos that had a second review: a label that two
reviewers gave is correct.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sqlalchemy import Connection

from ml.core.manifest import LabelledPhoto, Manifest, Split
from ml.core.settings import Settings
from ml.models import registry
from ml.models.features import FeatureReader
from ml.models.predictor import resolve_device
from ml.storage import retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.label_issues import (
    LabelIssue,
    double_reviewed,
    load_label_issues,
    open_second_reviews,
    write_label_issues,
)
from ml.storage.photo_cache import local_copies
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_manifest
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()

MIN_PHOTOS = 10  # of each class: fewer do not show what is usual for it
_FOLDS = 5
_MIN_FOLDS = 2
# scikit-learn's C, whose default is 1: a fit so weak that single wrong labels do not change it.
# There are often as many features as photos.
_INVERSE_PENALTY = 0.1
# Of the nearest photos, so many with the likely label make an error more likely than a new kind.
_NEIGHBORS, _MIN_AGREEMENT = 10, 0.7
_MAX_OF_GROUP = 20  # nearest photos that may be of the photo's own group

Ints = npt.NDArray[np.int64]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Searched:
    """Photos (n) of the classes, with the features of each, (n, F)."""

    classes: tuple[str, ...]
    photos: list[LabelledPhoto]
    features: npt.NDArray[np.float32]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Index of each photo's class, (n,)."""
        return np.array([self.classes.index(photo.label) for photo in self.photos], np.int64)


def check_labels(run_id: str, *, settings: Settings, connections: Connections) -> list[LabelIssue]:
    """Find label issues of the run's snapshot; write them and open a second review of each.

    Issues that the snapshot already has stay: later steps may have used them.

    Raises:
        RunNotStarted: `snapshot_labels` did not finish.
    """
    engine = connections.engine
    run, snapshot_hash = in_transaction(
        engine, lambda c: retrain_runs.load_with_snapshot(c, run_id)
    )
    known = in_transaction(engine, lambda c: load_label_issues(c, snapshot_hash))
    if known:
        return list(known.values())
    if run.champion_hash is None:
        log.warning("labels not checked: no champion computes the features of the photos")
        return []
    manifest = get_manifest(connections.models, snapshot_hash)
    searched = _extract_features(manifest, run.champion_hash, settings, connections)
    folds = _folds(searched)
    if folds is None:
        return []
    likely = _out_of_fold(searched, folds, run.seed)
    issues = _find_issues(searched, likely)
    violations = likely[:, [name in run.policy.violations for name in searched.classes]].sum(axis=1)
    contents = [photo.content_sha256 for photo in searched.photos]
    scores = dict(zip(contents, violations.tolist(), strict=True))
    written = in_transaction(engine, lambda c: _write(c, run, snapshot_hash, issues, scores))
    log.info("labels checked", photos=len(searched.photos), issues=len(written))
    return written


def _write(
    connection: Connection,
    run: RetrainRun,
    snapshot_hash: str,
    issues: list[LabelIssue],
    violation_scores: dict[str, float],
) -> list[LabelIssue]:
    """Write the issues of photos without a second review; returns these."""
    reviewed = double_reviewed(connection, run.as_of)
    new = [issue for issue in issues if issue.content_sha256 not in reviewed]
    write_label_issues(connection, snapshot_hash, new)
    open_second_reviews(connection, run, new, violation_scores)
    return new


def _extract_features(
    manifest: Manifest, champion_hash: str, settings: Settings, connections: Connections
) -> _Searched:
    """The champion's features of the photos to search, without those that cannot be decoded."""
    store = connections.models
    reader = FeatureReader(
        registry.fetch(champion_hash, store=store, cache=connections.model_cache),
        device=resolve_device(settings.device),
        batch_size=settings.batch_size,
        limits=decode_limits(settings),
        decode_threads=settings.decode_workers,
    )
    photos = [photo for photo in manifest.photos if photo.part is not Split.GOLDEN]
    hashes = [photo.content_sha256 for photo in photos]
    features, readable = reader.read(local_copies(store, hashes, settings.data_dir / "labelled"))
    decoded = [photo for photo, is_readable in zip(photos, readable, strict=True) if is_readable]
    return _Searched(manifest.classes, decoded, features)


def _folds(searched: _Searched) -> int | None:
    """How many folds the rarest class fills with distinct groups; None: too few photos."""
    groups = pd.DataFrame([(p.label, p.group) for p in searched.photos], columns=["label", "group"])
    counts = groups.groupby("label")["group"].agg(["size", "nunique"])
    counts = counts.reindex(list(searched.classes), fill_value=0)
    folds = min(_FOLDS, int(counts["nunique"].min()))
    if counts["size"].min() < MIN_PHOTOS or folds < _MIN_FOLDS:
        log.warning(
            "labels not checked: too few photos, or nearly all alike",
            photos=counts["size"].to_dict(),
            needed=MIN_PHOTOS,
        )
        return None
    return folds


def _out_of_fold(searched: _Searched, folds: int, seed: int) -> Floats:
    """Probability (n, classes) of each class, by regressions that saw no photo of the group."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    likely: Floats = cross_val_predict(
        model,
        searched.features.astype(np.float64),
        searched.labels,
        groups=[photo.group for photo in searched.photos],
        cv=StratifiedGroupKFold(folds, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    return likely


def _find_issues(searched: _Searched, likely: Floats) -> list[LabelIssue]:
    # Imported here: it takes seconds, which no other step should spend.
    from cleanlab.filter import find_label_issues  # noqa: PLC0415
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415

    labels = searched.labels
    best = likely.argmax(axis=1)
    # "both": only what the prunings by class and by noise rate agree on; reviews are expensive.
    wrong = find_label_issues(labels, likely, filter_by="both", n_jobs=1)
    quality = get_label_quality_scores(labels, likely)
    found = np.flatnonzero(wrong & (best != labels))
    return [
        LabelIssue(
            content_sha256=searched.photos[i].content_sha256,
            label=searched.photos[i].label,
            likely_label=searched.classes[best[i]],
            label_quality=float(quality[i]),
        )
        for i in found[_neighbors_agree(searched, found, best[found])].tolist()
    ]


def _neighbors_agree(searched: _Searched, rows: Ints, likely: Ints) -> npt.NDArray[np.bool_]:
    """(len(rows),): whether most of the nearest photos of other groups have the likely label."""
    if not len(rows):
        return np.zeros(0, bool)
    features = StandardScaler().fit_transform(searched.features.astype(np.float64))
    groups, labels = np.array([photo.group for photo in searched.photos]), searched.labels
    wanted = min(_NEIGHBORS + _MAX_OF_GROUP, len(labels))
    search = NearestNeighbors(n_neighbors=wanted, metric="cosine").fit(features)
    _, nearest = search.kneighbors(features[rows])
    agree = []
    for row, name, found in zip(rows, likely, nearest, strict=True):
        others = found[groups[found] != groups[row]][:_NEIGHBORS]
        agree.append(len(others) > 0 and (labels[others] == name).mean() >= _MIN_AGREEMENT)
    return np.array(agree)
