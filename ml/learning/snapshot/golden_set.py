"""Golden photos (never trained on, used for evaluation only), and what photos were used for before.

- The set of the previous snapshot stays complete; a relabeled photo has its new label in the new
  version of the set. A photo leaves only if its label is no longer a class of the policy.
- The set grows by at most the policy's share of the new photos that no version was trained on, by
  class x category, in whole groups, until it has the policy's number of photos.
- A photo in a group with a golden one becomes golden, too, unless a version was trained on the
  group: then it is excluded (`beside_golden`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from sqlalchemy import Connection

from ml.core.manifest import Confirmation, GoldenPhoto, GoldenSet, Split
from ml.learning.snapshot.splits import UnassignedPhoto, by_group, stratified_group_split
from ml.models.training_manifest import read_training_manifest
from ml.policy.golden_labels import GoldenLabel
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.golden_answers import load_opinions
from ml.storage.model_versions import load_card
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import earlier_snapshots, get_golden, get_manifest


@dataclass
class GoldenSelection:
    """Content hashes of the golden photos, and of excluded photos in a group with one."""

    golden: set[str] = field(default_factory=set)
    near_golden: set[str] = field(default_factory=set)


def choose_golden(
    photos: Sequence[UnassignedPhoto],
    *,
    before: Collection[str],
    trained_on: Collection[str],
    share: float,
    max_photos: int,
    seed: int,
) -> GoldenSelection:
    """Choose by the rules of this module; `photos` are all usable ones, always in the same order.

    `before` are the content hashes of the golden set so far, `trained_on` those of the training
    photos of the champion and its warm-start ancestors, and of all other photos of an earlier
    snapshot; `share` is the maximum of the new photos, `max_photos` that of the set, `seed` selects
    them.
    """
    chosen = GoldenSelection()
    unseen: list[UnassignedPhoto] = []
    for members in by_group(photos):
        hashes = {m.content_sha256 for m in members}
        others = hashes.difference(before)
        untrained = hashes.isdisjoint(trained_on)
        if others != hashes:
            chosen.golden |= hashes if untrained else hashes - others
            chosen.near_golden |= set() if untrained else others
        elif untrained:
            unseen += members
    missing = max(0, max_photos - len(chosen.golden))
    share = min(share, missing / len(unseen)) if unseen else 0.0
    if share > 0.0:
        side = stratified_group_split(unseen, {False: 1 - share, True: share}, seed=seed)
        chosen.golden |= {content for content, golden in side.items() if golden}
    return chosen


def next_version(
    previous: GoldenSet | None, photos: Sequence[UnassignedPhoto], *, name: str
) -> GoldenSet:
    """The golden set of these photos under a name, with their present labels."""
    added_in = {p.content_sha256: p.added_in for p in previous.photos} if previous else {}
    return GoldenSet(
        name=name,
        parent_hash=previous.golden_hash if previous else None,
        photos=tuple(
            GoldenPhoto(
                content_sha256=photo.content_sha256,
                label=photo.label,
                category=photo.category,
                route=photo.route,
                weight=photo.weight,
                added_in=added_in.get(photo.content_sha256, name),
            )
            for photo in sorted(photos, key=lambda p: p.content_sha256)
        ),
    )


def next_free_name(
    start: str, existing: Mapping[str, str], version: Callable[[str], GoldenSet]
) -> GoldenSet:
    """The version named `start`, `start-2`, ...: the first name that no other set has.

    `existing` maps the names of existing sets to hashes; `version` creates the set for a name.
    """
    names = (start if n == 1 else f"{start}-{n}" for n in count(1))
    candidates = (version(name) for name in names)
    return next(g for g in candidates if existing.get(g.name, g.golden_hash) == g.golden_hash)


def find_confirmations(
    members: Sequence[UnassignedPhoto], run: RetrainRun, connections: Connections
) -> dict[str, Confirmation]:
    """How far the labels of the golden photos are confirmed, by content hash.

    Part of the snapshot: an answer may be undone later, and evaluation must not change by that.
    """
    contents = [photo.content_sha256 for photo in members]
    opinions = in_transaction(
        connections.engine, lambda c: load_opinions(c, contents, as_of=run.as_of)
    )
    labels = {p.content_sha256: GoldenLabel(p.label, opinions[p.content_sha256]) for p in members}
    second_look = run.policy.reviewing.second_look
    return {content: label.find_confirmation(second_look) for content, label in labels.items()}


@dataclass(frozen=True)
class PriorUsage:
    """What a new snapshot has to be consistent with.

    `golden`, `as_of` and `labels`, its (content hash, label) pairs, are of the previous snapshot.
    `seen` are the photos on which the champion or one of its warm-start ancestors was trained;
    `trained_on` has those, and all photos of earlier snapshots that were not golden.
    """

    golden: GoldenSet | None
    as_of: datetime | None
    labels: frozenset[tuple[str, str]]
    seen: frozenset[str]
    trained_on: frozenset[str]

    @property
    def golden_photos(self) -> frozenset[str]:
        """Content hashes of the previous golden set."""
        photos = self.golden.photos if self.golden else ()
        return frozenset(photo.content_sha256 for photo in photos)


def load_prior_usage(run: RetrainRun, connections: Connections) -> PriorUsage:
    """Everything before the labels of a run."""
    earlier, versions = in_transaction(
        connections.engine,
        lambda c: (earlier_snapshots(c, run.as_of), lineage(c, run.champion_hash)),
    )
    store = connections.models
    seen = frozenset[str]().union(*(read_training_manifest(store, v) for v in versions))
    manifests = [get_manifest(store, row.snapshot_hash) for row in earlier]
    trained_on = seen.union(
        photo.content_sha256
        for manifest in manifests
        for photo in manifest.photos
        if photo.part is not Split.GOLDEN
    )
    if not earlier:
        return PriorUsage(None, None, frozenset(), seen, trained_on)
    return PriorUsage(
        golden=get_golden(store, manifests[0].golden_hash),
        as_of=manifests[0].as_of,
        labels=frozenset((p.content_sha256, p.label) for p in manifests[0].photos),
        seen=seen,
        trained_on=trained_on,
    )


def lineage(connection: Connection, model_hash: str | None) -> list[str]:
    """A version and its warm-start ancestors, the youngest first."""
    versions: list[str] = []
    while model_hash is not None:
        versions.append(model_hash)
        card = load_card(connection, model_hash)
        start = card["pretrained_weights"] if card else {}
        model_hash = start["detail"] if start.get("kind") == "champion" else None
    return versions
