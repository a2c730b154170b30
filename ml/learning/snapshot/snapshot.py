"""First step of a retraining run: an immutable, named snapshot of the labels as of a moment.

Photos whose bytes cannot be archived and labels that are no class of the policy are excluded, with
the reason. The same labels, golden answers, photos, versions, policy and seed give the same bytes:
a run that was interrupted before it had its snapshot creates the same one again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ml.core.errors import NotEnoughLabels
from ml.core.manifest import ExcludedPhoto, GoldenSet, LabelledPhoto, Manifest, Split
from ml.core.settings import Settings
from ml.learning.labels.photo_archiver import archive_missing
from ml.learning.snapshot.golden_set import (
    GoldenSelection,
    PriorUsage,
    choose_golden,
    find_confirmations,
    load_prior_usage,
    next_free_name,
    next_version,
)
from ml.learning.snapshot.splits import UnassignedPhoto, assign_folds, check_classes, group_photos
from ml.learning.snapshot.unlabelled_sample import sample_unlabelled
from ml.policy.schema import load_policy
from ml.storage import (
    model_versions,
    photo_archive,
    pretrained_weights,
    retrain_runs,
    snapshots,
)
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.labels import resolve_labels
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_manifest, put_golden, put_manifest
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()

# A photo of a route of which reviewers see 1 % represents 100, but a few such photos would dominate
# every weighted figure: the variance grows with the square of the weights, the bias of the cap only
# with the excess over it.
MAX_WEIGHT = 20.0


def create_snapshot(
    run_id: str,
    *,
    as_of: datetime,
    preset: str,
    seed: int,
    settings: Settings,
    connections: Connections,
) -> Manifest:
    """Start the run and create the snapshot of the labels given before `as_of`.

    A retry returns the snapshot that the run has.

    Raises:
        NotEnoughLabels: too few new labels; the run is then finished as `skipped`.
        TrainingError: the labels do not fill the splits.
        PolicyError: the policy file cannot be used.
    """
    policy = load_policy(settings.policy_file)

    def begin(connection: Connection) -> RetrainRun:
        champion_hash = model_versions.load_champion(connection)
        enabled = policy.retraining.distillation.enabled
        weights = pretrained_weights.load_newest(connection) if enabled else None
        new = RetrainRun(run_id, as_of, policy, preset, seed, champion_hash, weights)
        return retrain_runs.begin(connection, new)

    run = in_transaction(connections.engine, begin)
    if run.snapshot_hash is not None:
        return get_manifest(connections.models, run.snapshot_hash)
    if run.state == "skipped":
        raise NotEnoughLabels(run.reason)
    manifest, golden = _compose(run, settings, connections)
    _write(run, manifest, golden, connections)
    return manifest


def _compose(
    run: RetrainRun, settings: Settings, connections: Connections
) -> tuple[Manifest, GoldenSet]:
    prior = load_prior_usage(run, connections)
    usable, left_out = _load_usable(run, prior, settings, connections)
    chosen = choose_golden(
        usable,
        before=prior.golden_photos,
        trained_on=prior.trained_on,
        share=run.policy.retraining.golden_share,
        max_photos=run.policy.retraining.golden_photos,
        seed=run.seed,
    )
    left_out |= dict.fromkeys(chosen.near_golden, "beside_golden")
    photos = [photo for photo in usable if photo.content_sha256 not in chosen.near_golden]
    _check_enough(run, photos, prior, connections)
    folds = _assign_folds(photos, chosen, run)
    members = [photo for photo in photos if photo.content_sha256 in chosen.golden]
    # Named by the month in the time zone of the nightly runs.
    name = f"golden-{run.as_of.astimezone(ZoneInfo(settings.timezone)):%Y-%m}"
    golden = _golden(members, prior, name, connections)
    confirmations = find_confirmations(members, run, connections)
    seen = {photo.group for photo in photos if photo.content_sha256 in prior.seen}
    placed = [
        LabelledPhoto(
            **vars(photo),
            part=Split.TRAIN if photo.content_sha256 in folds else Split.GOLDEN,
            fold=folds.get(photo.content_sha256),
            seen=photo.group in seen,
            confirmation=confirmations.get(photo.content_sha256),
        )
        for photo in photos
    ]
    unlabelled = sample_unlabelled(
        run, {photo.content_sha256 for photo in photos}, settings=settings, connections=connections
    )
    manifest = _manifest(run, placed, left_out, golden)
    return manifest.model_copy(update={"unlabelled": unlabelled}), golden


def _load_usable(
    run: RetrainRun, prior: PriorUsage, settings: Settings, connections: Connections
) -> tuple[list[UnassignedPhoto], dict[str, str]]:
    """Photos to train or evaluate on, by content hash; the others with the reason."""
    engine = connections.engine
    labels = in_transaction(engine, lambda c: resolve_labels(c, as_of=run.as_of))
    left_out = {
        label.content_sha256: f"unknown_class:{label.label}"
        for label in labels
        if label.label not in run.policy.classes
    }
    known = [label.content_sha256 for label in labels if label.content_sha256 not in left_out]
    left_out |= archive_missing(known, limits=decode_limits(settings), connections=connections)
    usable = [label for label in labels if label.content_sha256 not in left_out]
    usable.sort(key=lambda label: label.content_sha256)
    hashes = [label.content_sha256 for label in usable]
    rows = in_transaction(engine, lambda c: photo_archive.load(c, hashes))
    groups = group_photos([rows[content] for content in hashes])
    photos = [
        UnassignedPhoto(
            content_sha256=label.content_sha256,
            label=label.label,
            category=label.category,
            route=label.route,
            weight=min(1 / label.sampling_rate, MAX_WEIGHT),
            group=group,
            new=(label.content_sha256, label.label) not in prior.labels,
            age_days=max(0, (run.as_of - label.decided_at).days),
        )
        for label, group in zip(usable, groups, strict=True)
    ]
    return photos, left_out


def _check_enough(
    run: RetrainRun, photos: Sequence[UnassignedPhoto], prior: PriorUsage, connections: Connections
) -> None:
    new, wanted = sum(photo.new for photo in photos), run.policy.retraining.min_new_labels
    if new >= wanted:
        return
    since = f" since the snapshot of {prior.as_of.isoformat()}" if prior.as_of else ""
    reason = (
        f"{new} new labels{since}, at least {wanted} are needed: let reviewers decide more review "
        "tasks, import labels, or lower retraining.min_new_labels in the policy file"
    )
    in_transaction(
        connections.engine, lambda c: retrain_runs.finish(c, run.run_id, "skipped", reason)
    )
    raise NotEnoughLabels(reason)


def _assign_folds(
    photos: Sequence[UnassignedPhoto], chosen: GoldenSelection, run: RetrainRun
) -> dict[str, int]:
    """The fold of each photo to train on by content hash, checked to be usable."""
    rest = [photo for photo in photos if photo.content_sha256 not in chosen.golden]
    folds = assign_folds(rest, seed=run.seed)
    remedy = (
        "label more photos that do not look like each other, or take a class without photos out of "
        "the policy"
    )
    found = [(photo.label, folds[photo.content_sha256]) for photo in rest]
    check_classes(found, run.policy.classes, remedy=remedy)
    return folds


def _golden(
    members: Sequence[UnassignedPhoto], prior: PriorUsage, start: str, connections: Connections
) -> GoldenSet:
    missing = prior.golden_photos.difference(photo.content_sha256 for photo in members)
    if missing:
        log.warning(
            "golden photos left the set: their label is no class of the policy",
            photos=len(missing),
        )
    existing = in_transaction(connections.engine, lambda c: snapshots.golden_names(c, start))
    return next_free_name(
        start, existing, lambda name: next_version(prior.golden, members, name=name)
    )


def _manifest(
    run: RetrainRun,
    photos: Sequence[LabelledPhoto],
    left_out: Mapping[str, str],
    golden: GoldenSet,
) -> Manifest:
    return Manifest(
        as_of=run.as_of.astimezone(UTC),  # one text for a moment, whatever its zone
        classes=tuple(sorted(run.policy.classes)),
        golden_hash=golden.golden_hash,
        photos=tuple(photos),
        left_out=tuple(
            ExcludedPhoto(content_sha256=content, reason=reason)
            for content, reason in sorted(left_out.items())
        ),
    )


def _write(
    run: RetrainRun, manifest: Manifest, golden: GoldenSet, connections: Connections
) -> None:
    """Write to the bucket first: what a row names then exists."""
    put_golden(connections.models, golden)
    snapshot_hash = put_manifest(connections.models, manifest)

    def rows(connection: Connection) -> None:
        snapshots.write_snapshot(connection, manifest, golden)
        retrain_runs.set_values(connection, run.run_id, snapshot_hash=snapshot_hash)

    in_transaction(connections.engine, rows)
    log.info(
        "label snapshot written",
        snapshot=snapshot_hash[:12],
        golden_set=golden.name,
        left_out=len(manifest.left_out),
        train=len(manifest.photos_in(Split.TRAIN)),
        golden=len(manifest.photos_in(Split.GOLDEN)),
    )
