"""Golden photos: never trained on; used for evaluation from this run onwards.

- The set of the previous snapshot stays complete; a relabeled photo has its new label in the new
  version of the set. A photo leaves only if its label is no longer a class of the policy.
- The set grows by the policy's share of the new photos that no version was trained on, by class x
  category, in whole groups.
- A photo in a group with a golden one becomes golden, too, unless a version was trained on the
  group: then it is excluded (`beside_golden`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from ml.core.manifest import GoldenPhoto, GoldenSet
from ml.learning.snapshot.splits import UnassignedPhoto, by_group, stratified_group_split


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
    seed: int,
) -> GoldenSelection:
    """Choose by the rules of this module; `photos` are all usable ones, always in the same order.

    `before` are the content hashes of the golden set so far, `trained_on` those of the training
    photos of the champion and its warm-start ancestors, and of all photos in train, validation or
    calibration of an earlier snapshot; `share` is that of the new photos, `seed` selects them.
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
