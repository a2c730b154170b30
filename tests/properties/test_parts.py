from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ml.policy.retraining import Retraining
from ml.retraining.golden import choose_golden
from ml.retraining.manifest import Part
from ml.retraining.parts import Unplaced, divide, place

SHARES = {Part.TRAIN: 0.65, Part.VALIDATION: 0.15, Part.CALIBRATION: 0.2}
PLACES = st.tuples(st.integers(0, 25), st.sampled_from("abc"), st.sampled_from(["", "x", "y"]))
HELD = st.dictionaries(st.integers(0, 79), st.sampled_from(list(SHARES)), max_size=20)


def photos_of(places: list[tuple[int, str, str]]) -> list[Unplaced]:
    return [
        Unplaced(f"{n:064x}", label, category or None, "import", 1.0, group, new=True)
        for n, (group, label, category) in enumerate(places)
    ]


@given(st.lists(PLACES, max_size=80), HELD, st.integers(0, 2**31))
def test_every_photo_has_one_part_and_no_group_is_torn_apart(
    places: list[tuple[int, str, str]], held: dict[int, Part], seed: int
) -> None:
    photos = photos_of(places)
    earlier = {f"{n:064x}": part for n, part in held.items()}
    placed = place(photos, earlier, policy=Retraining(), seed=seed)
    assert placed.keys() == {p.content_sha256 for p in photos}
    sides = {(p.group, placed[p.content_sha256]) for p in photos}
    assert len(sides) == len({p.group for p in photos})
    learnt = {c for c, part in earlier.items() if part is Part.TRAIN}
    assert {placed[c] for c in learnt & placed.keys()} <= {Part.TRAIN}


@given(st.lists(st.sampled_from("abc"), max_size=80), st.integers(0, 2**31))
def test_unlike_photos_keep_the_shares_of_each_class(labels: list[str], seed: int) -> None:
    photos = photos_of([(n, label, "") for n, label in enumerate(labels)])
    parts = divide(photos, SHARES, seed=seed)
    found = Counter((p.label, parts[p.content_sha256]) for p in photos)
    for label, total in Counter(labels).items():
        for part, share in SHARES.items():
            assert abs(found[label, part] - share * total) < 1


@given(
    st.lists(PLACES, max_size=80),
    st.sets(st.integers(0, 79)),
    st.sets(st.integers(0, 79)),
    st.integers(0, 2**31),
)
def test_no_group_is_both_measured_on_and_learnt_from(
    places: list[tuple[int, str, str]], before: set[int], learnt: set[int], seed: int
) -> None:
    photos = photos_of(places)
    golden = {f"{n:064x}" for n in before}
    seen = {f"{n:064x}" for n in learnt - before}
    chosen = choose_golden(photos, before=golden, learnt=seen, share=0.2, seed=seed)
    there = {p.content_sha256 for p in photos}
    assert golden & there <= chosen.golden <= there
    assert not chosen.golden & (chosen.beside | seen)
    measured = {p.group for p in photos if p.content_sha256 in chosen.golden}
    rest = there - chosen.golden - chosen.beside
    assert not measured & {p.group for p in photos if p.content_sha256 in rest}
