"""The nearest photos by a network's features: exact search by cosine similarity."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEIGHBORS = 10
_SPARE = 6  # further candidates: rounding may put the last ones in another order
_TINY = 1e-12  # against division by zero: features of all zeros are like nothing


class NearestPhotos:
    """Photos by their features (N, F), N > 0; faiss compares all of them. Thread-safe."""

    def __init__(self, features: npt.NDArray[np.floating]) -> None:
        units = _normalize(features)
        self._index = faiss.IndexFlatIP(units.shape[1])
        self._index.add(units)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, features: npt.NDArray[np.floating], neighbors: int = NEIGHBORS
    ) -> tuple[Floats, Ints]:
        """Similarities, -1..1, and rows of the nearest photos of each, (M, neighbors), or (M, N).

        The most similar first. A photo's result does not depend on the others. M is at least 1.
        """
        queries = _normalize(features)
        # faiss sums in another order, with other last bits, of one query and of a batch.
        _, candidates = self._index.search(queries, min(neighbors + _SPARE, len(self)))
        found = [self._rank(*each, neighbors) for each in zip(queries, candidates, strict=True)]
        similarities, rows = zip(*found, strict=True)
        return np.stack(similarities), np.stack(rows)

    def _rank(self, query: Floats, candidates: Ints, neighbors: int) -> tuple[Floats, Ints]:
        """The most similar candidates of one photo; of equal ones the first."""
        rows = np.sort(candidates)
        known = self._index.reconstruct_batch(rows).astype(np.float64)
        similarities = (known * query).sum(axis=1)
        best = np.argsort(-similarities, kind="stable")[:neighbors]
        return similarities[best].astype(np.float32), rows[best]


def _normalize(features: npt.NDArray[np.floating]) -> Floats:
    units: Floats = np.array(features, dtype=np.float32, order="C")
    lengths = np.sqrt(np.einsum("nf,nf->n", units, units))
    units /= np.maximum(lengths, _TINY)[:, None]
    return units


@dataclass(frozen=True)
class Surroundings:
    """The nearest labelled photos of N others: the share of violations, and the mean similarity."""

    violating_share: Float64s
    similarity: Float64s


def measure_out_of_fold(
    features: npt.NDArray[np.floating], is_violation: Bools, folds: Ints, known: Bools
) -> Surroundings | None:
    """The surroundings of each photo (N,) among the `known` ones (N,) of other folds.

    None where a fold leaves no known photo.
    """
    shares, similarity = np.empty(len(folds)), np.empty(len(folds))
    for fold in np.unique(folds):
        held_out = folds == fold
        others = np.flatnonzero(known & ~held_out)
        if not len(others):
            return None
        found, rows = NearestPhotos(features[others]).search(features[held_out])
        shares[held_out] = is_violation[others][rows].mean(axis=1)
        similarity[held_out] = found.mean(axis=1)
    return Surroundings(shares, similarity)
