"""Which photos are golden: never learnt from, measured on in this month and all later ones.

- The set of the snapshot before stays whole. A relabelled photo keeps its place, with the new label
  in the new version; the old version stays as it is. It leaves only where its label is no class of
  the policy any more: no model could be right about it.
- The set grows by the policy's share of the new photos that no version has learnt from, class x
  category, whole groups.
- A photo in a group with a golden one becomes golden, too, unless a version has learnt from the
  group: then it is left out (`beside_golden`).
- "Learnt from": training photos of the champion and of the versions that it grew from by warm
  starts, and train, validation or calibration in any earlier snapshot.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from ml.retraining.manifest import GoldenPhoto, GoldenSet
from ml.retraining.parts import Unplaced, by_group, divide


@dataclass
class Chosen:
    """Content hashes: of the golden photos among those given, and of those beside them."""

    golden: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)


def choose_golden(
    photos: Sequence[Unplaced],
    *,
    before: Collection[str],
    learnt: Collection[str],
    share: float,
    seed: int,
) -> Chosen:
    """Choose as the module says.

    Args:
        photos: all usable ones, in an order that is the same in every run.
        before: content hashes of the golden set so far.
        learnt: content hashes that a version has learnt from.
        share: of the new photos.
        seed: which of the new groups.
    """
    chosen = Chosen()
    unseen: list[Unplaced] = []
    for members in by_group(photos):
        hashes = {m.content_sha256 for m in members}
        others = hashes.difference(before)
        clean = hashes.isdisjoint(learnt)
        if others != hashes:
            chosen.golden |= hashes if clean else hashes - others
            chosen.beside |= set() if clean else others
        elif clean:
            unseen += members
    side = divide(unseen, {False: 1 - share, True: share}, seed=seed)
    chosen.golden |= {content for content, golden in side.items() if golden}
    return chosen


def next_version(
    previous: GoldenSet | None, photos: Sequence[Unplaced], *, parent_hash: str | None, name: str
) -> GoldenSet:
    """The golden set of these photos, under a name; `photos` as labelled now."""
    added_in = {p.content_sha256: p.added_in for p in previous.photos} if previous else {}
    return GoldenSet(
        name=name,
        parent_hash=parent_hash,
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


def under_free_name(
    start: str, taken: Mapping[str, str], version: Callable[[str], GoldenSet]
) -> GoldenSet:
    """The version under `start`, `start-2`, ...: the first name that no other set has.

    Args:
        start: the name that is wanted.
        taken: name -> hash of the sets there are.
        version: makes the set for a name.
    """
    names = (start if n == 1 else f"{start}-{n}" for n in count(1))
    candidates = (version(name) for name in names)
    return next(g for g in candidates if taken.get(g.name, g.golden_hash) == g.golden_hash)
