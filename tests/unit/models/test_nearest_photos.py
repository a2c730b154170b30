from collections.abc import Iterator

import faiss
import numpy as np
import pytest

from ml.models.nearest_photos import NEIGHBORS, NearestPhotos, measure_out_of_fold

RNG = np.random.default_rng(0)


def test_nearest_are_those_of_the_highest_cosine() -> None:
    known, asked = RNG.normal(size=(50, 8)), RNG.normal(size=(3, 8))
    similarities, rows = NearestPhotos(known).search(asked)
    cosines = (asked @ known.T) / np.outer(
        np.linalg.norm(asked, axis=1), np.linalg.norm(known, axis=1)
    )
    expected = np.argsort(-cosines, axis=1)[:, :NEIGHBORS]
    assert rows.tolist() == expected.tolist()
    assert similarities == pytest.approx(np.take_along_axis(cosines, expected, axis=1), abs=1e-5)


def test_length_of_features_does_not_count_and_zeros_are_like_nothing() -> None:
    index = NearestPhotos(np.array([[3.0, 0.0], [0.0, 0.1]]))
    similarities, rows = index.search(np.array([[100.0, 0.0], [0.0, 0.0]]))
    assert rows[0].tolist() == [0, 1]
    assert similarities.tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """With two threads faiss sums in another way where one photo is looked up in many."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    yield
    faiss.omp_set_num_threads(threads)


@pytest.mark.usefixtures("two_threads")
def test_result_of_a_photo_does_not_depend_on_the_others() -> None:
    known = RNG.normal(size=(20_000, 512)).astype(np.float32)
    index = NearestPhotos(known)
    asked = known[:32] + 0.5 * known[32:64]
    together = index.search(asked)
    alone = [index.search(asked[n : n + 1]) for n in range(32)]
    for number, found in enumerate(zip(*alone, strict=True)):
        assert np.array_equal(np.concatenate(found), together[number])


def test_of_equal_photos_the_first_are_found() -> None:
    index = NearestPhotos(np.ones((NEIGHBORS + 4, 8)))
    _, rows = index.search(np.ones((2, 8)))
    assert rows.tolist() == [list(range(NEIGHBORS))] * 2


@pytest.mark.usefixtures("two_threads")
def test_equal_photos_are_the_same_ones_alone_and_in_a_batch() -> None:
    index = NearestPhotos(np.ones((5_000, 64)))
    _, together = index.search(np.ones((32, 64)))
    _, alone = index.search(np.ones((1, 64)))
    assert np.array_equal(together, np.repeat(alone, 32, axis=0))


def test_fewer_photos_than_neighbors_are_all_found() -> None:
    similarities, rows = NearestPhotos(RNG.normal(size=(3, 4))).search(RNG.normal(size=(2, 4)))
    assert similarities.shape == rows.shape == (2, 3)


def test_surroundings_have_no_photo_of_the_own_fold_and_none_that_is_unknown() -> None:
    # Pairs of copies share a fold; a photo would else be its own best neighbor.
    features = np.repeat(RNG.normal(size=(40, 16)), 2, axis=0)
    folds = np.repeat(np.arange(40) % 4, 2)
    is_violation = np.repeat(np.arange(40) % 2 == 0, 2)
    found = measure_out_of_fold(features, is_violation, folds, np.ones(80, bool))
    assert found is not None
    assert found.similarity.max() < 0.99
    unknown = measure_out_of_fold(features, is_violation, folds, is_violation)
    assert unknown is not None
    assert set(unknown.violating_share.tolist()) == {1.0}
    assert measure_out_of_fold(features, is_violation, folds, folds == 0) is None
