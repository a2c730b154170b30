"""First step of a month: the labels of a moment become a named snapshot that never changes.

- Learnt from is what `ml.storage.labels` calls true as of the moment; photos whose bytes cannot be
  kept and labels that are no class of the policy are left out, with the reason.
- `new` is a photo that the snapshot before does not hold with this label; with fewer of them than
  `min_new_labels` the month is skipped.
- Look-alikes and photos of one review stay together (`grouping`); `golden` says what is only
  measured on, `parts` what is trained on, stopped by and solved with.
- The same labels, photos, versions, policy and seed give the same bytes. A run keeps the snapshot
  that it has; killed before that, it makes the same one again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ml.connections import Connections
from ml.errors import NoChampion, TooFewLabels
from ml.images.decode import decode_limits
from ml.labels.keep_photos import keep_missing
from ml.model import registry
from ml.policy.policy import load_policy
from ml.retraining.golden import Chosen, choose_golden, next_version, under_free_name
from ml.retraining.grouping import group_photos
from ml.retraining.manifest import (
    GoldenSet,
    LabelledPhoto,
    LeftOut,
    Manifest,
    Part,
    get_manifest,
    put_golden,
    put_manifest,
)
from ml.retraining.parts import Unplaced, check_parts, place
from ml.retraining.past import Past, look_back
from ml.settings import Settings
from ml.storage import labelled_photos, retrain_runs, snapshots
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import LabelledPhotoRow
from ml.storage.labels import Truth, truths
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

# A photo of a route that people see 1 % of stands for 100, but a few such photos would then decide
# every weighted figure: the variance grows with the square of the weights, the bias that the cap
# brings only with what is above it.
MAX_WEIGHT = 20.0


def freeze(
    run_id: str,
    *,
    as_of: datetime,
    preset: str,
    seed: int,
    settings: Settings,
    connections: Connections,
) -> Manifest:
    """Begin the run and freeze the labels that were given before `as_of`.

    Returns:
        The snapshot; on a retry the one that the run has.

    Raises:
        TooFewLabels: nothing to learn from; the run is then finished as `skipped`.
        TrainingError: the labels do not fill the parts.
        PolicyError: the policy file cannot be used.
    """
    policy = load_policy(settings.policy_file)
    wanted = RetrainRun(run_id, as_of, policy, preset, seed, champion_hash=None)
    run = _begin(wanted, connections)
    if run.snapshot_hash is not None:
        return get_manifest(connections.models, run.snapshot_hash)
    if run.state == "skipped":
        raise TooFewLabels(run.reason)
    manifest, golden = _compose(run, settings, connections)
    _write(run, manifest, golden, connections)
    return manifest


def _compose(
    run: RetrainRun, settings: Settings, connections: Connections
) -> tuple[Manifest, GoldenSet]:
    past = look_back(run, connections)
    found, left_out = _usable(run, past, settings, connections)
    chosen = choose_golden(
        found,
        before=past.golden_photos,
        learnt=past.parts.keys(),
        share=run.policy.retraining.golden_share,
        seed=run.seed,
    )
    left_out |= dict.fromkeys(chosen.beside, "beside_golden")
    photos = [photo for photo in found if photo.content_sha256 not in chosen.beside]
    _check_enough(run, photos, past, connections)
    parts = _parts(photos, chosen, run, past)
    members = [photo for photo in photos if parts[photo.content_sha256] is Part.GOLDEN]
    # Named by the month where the shop is.
    name = f"golden-{run.as_of.astimezone(ZoneInfo(settings.timezone)):%Y-%m}"
    golden = _golden(members, past, name, connections)
    return _manifest(run, photos, parts, left_out, golden), golden


def _begin(wanted: RetrainRun, connections: Connections) -> RetrainRun:
    """The run as its row says; a new one with the champion of now."""

    def begun(connection: Connection) -> RetrainRun:
        run = replace(wanted, champion_hash=_champion(connection))
        return retrain_runs.begin(connection, run)

    return in_transaction(connections.engine, begun)


def _champion(connection: Connection) -> str | None:
    try:
        return registry.champion_hash(connection)
    except NoChampion:
        return None


def _usable(
    run: RetrainRun, past: Past, settings: Settings, connections: Connections
) -> tuple[list[Unplaced], dict[str, str]]:
    """Photos that can be learnt from, by content hash; the others with the reason."""
    engine = connections.engine
    true = in_transaction(engine, lambda c: truths(c, as_of=run.as_of))
    left_out = {
        t.content_sha256: f"unknown_class:{t.label}"
        for t in true
        if t.label not in run.policy.classes
    }
    wanted = [t.content_sha256 for t in true if t.content_sha256 not in left_out]
    left_out |= keep_missing(wanted, limits=decode_limits(settings), connections=connections)
    kept = [t for t in true if t.content_sha256 not in left_out]
    kept.sort(key=lambda t: t.content_sha256)
    hashes = [t.content_sha256 for t in kept]
    rows = in_transaction(engine, lambda c: labelled_photos.load(c, hashes))
    return _grouped(kept, rows, past), left_out


def _grouped(
    kept: Sequence[Truth], rows: Mapping[str, LabelledPhotoRow], past: Past
) -> list[Unplaced]:
    groups = group_photos([rows[truth.content_sha256] for truth in kept])
    return [
        Unplaced(
            content_sha256=truth.content_sha256,
            label=truth.label,
            category=truth.category,
            route=truth.route,
            weight=min(1 / truth.sampling_rate, MAX_WEIGHT),
            group=group,
            new=(truth.content_sha256, truth.label) not in past.labels,
        )
        for truth, group in zip(kept, groups, strict=True)
    ]


def _check_enough(
    run: RetrainRun, photos: Sequence[Unplaced], past: Past, connections: Connections
) -> None:
    new, wanted = sum(photo.new for photo in photos), run.policy.retraining.min_new_labels
    if new >= wanted:
        return
    since = f" since the snapshot of {past.as_of.isoformat()}" if past.as_of else ""
    reason = (
        f"{new} new labels{since}, at least {wanted} are needed: let people decide more review "
        "tasks, import labels, or lower retraining.min_new_labels in the policy file"
    )
    in_transaction(
        connections.engine, lambda c: retrain_runs.finish(c, run.run_id, "skipped", reason)
    )
    raise TooFewLabels(reason)


def _parts(
    photos: Sequence[Unplaced], chosen: Chosen, run: RetrainRun, past: Past
) -> dict[str, Part]:
    """The part of each photo by content hash, checked to be of use."""
    rest = [photo for photo in photos if photo.content_sha256 not in chosen.golden]
    parts = place(rest, past.parts, policy=run.policy.retraining, seed=run.seed)
    parts |= dict.fromkeys(chosen.golden, Part.GOLDEN)
    check_parts(photos, parts, run.policy.classes)
    return parts


def _golden(
    members: Sequence[Unplaced], past: Past, start: str, connections: Connections
) -> GoldenSet:
    _tell_gone(members, past)
    taken = in_transaction(connections.engine, lambda c: snapshots.golden_names(c, start))
    parent = past.golden.golden_hash if past.golden else None
    return under_free_name(
        start, taken, lambda name: next_version(past.golden, members, parent_hash=parent, name=name)
    )


def _tell_gone(members: Sequence[Unplaced], past: Past) -> None:
    gone = past.golden_photos.difference(photo.content_sha256 for photo in members)
    if gone:
        log.warning("golden photos whose label is no class of the policy left", photos=len(gone))


def _manifest(
    run: RetrainRun,
    photos: Sequence[Unplaced],
    parts: Mapping[str, Part],
    left_out: Mapping[str, str],
    golden: GoldenSet,
) -> Manifest:
    return Manifest(
        as_of=run.as_of.astimezone(UTC),  # one moment, one text, whatever the zone it came in
        classes=tuple(sorted(run.policy.classes)),
        golden_hash=golden.golden_hash,
        photos=tuple(
            LabelledPhoto(
                content_sha256=photo.content_sha256,
                label=photo.label,
                category=photo.category,
                route=photo.route,
                weight=photo.weight,
                group=photo.group,
                new=photo.new,
                part=parts[photo.content_sha256],
            )
            for photo in photos
        ),
        left_out=tuple(
            LeftOut(content_sha256=content, reason=reason)
            for content, reason in sorted(left_out.items())
        ),
    )


def _write(
    run: RetrainRun, manifest: Manifest, golden: GoldenSet, connections: Connections
) -> None:
    """Bucket first: what a row names is there."""
    put_golden(connections.models, golden)
    snapshot_hash = put_manifest(connections.models, manifest)

    def rows(connection: Connection) -> None:
        snapshots.write_snapshot(connection, manifest, golden)
        retrain_runs.set_values(connection, run.run_id, snapshot_hash=snapshot_hash)

    in_transaction(connections.engine, rows)
    log.info(
        "labels frozen",
        snapshot=snapshot_hash[:12],
        golden_set=golden.name,
        left_out=len(manifest.left_out),
        **{part.value: len(manifest.of(part)) for part in Part},
    )
