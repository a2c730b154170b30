"""Groups of near duplicates by PDQ hash, for training sets: duplicates stay in one part."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ml.vision.images.fingerprint import MIN_QUALITY, NEAR_DUPLICATE_DISTANCE, WORDS, pdq_words

_BLOCK_BYTES = 64 * 1024**2
# Memory of one pair in the worst case, in which all match: xor and bit count (8 + 1), distance (2),
# match (1), its two indices (16), and the graph's weight and copies of the indices (36).
_BYTES_PER_PAIR = 64


def near_duplicate_groups(
    hashes: Sequence[str], qualities: Sequence[int], distance: int = NEAR_DUPLICATE_DISTANCE
) -> list[int]:
    """Group near duplicates: connected components of "at most `distance` bits apart".

    A picture of quality `MIN_QUALITY` or less is a group of its own, even if its hash equals
    another's: all blank pictures have the same hash, and unrelated photos would share a group.
    Equal bytes are found by `content_hash`.

    Returns the number of each picture's group, from 0 in the order of each group's first picture.
    Every pair is compared, in blocks of at most 64 MiB: 20,000 pictures take seconds.
    """
    groups = np.arange(len(hashes))
    usable = np.flatnonzero(np.asarray(qualities, dtype=np.int64) > MIN_QUALITY)
    if usable.size:
        words = pdq_words([hashes[i] for i in usable.tolist()])
        groups[usable] = usable[_first_of_component(words, distance)]
    numbers: list[int] = np.unique(groups, return_inverse=True)[1].tolist()
    return numbers


def _first_of_component(words: npt.NDArray[np.uint64], distance: int) -> npt.NDArray[np.int64]:
    """Index (n,) of the first hash in each hash's component."""
    n = len(words)
    first = np.arange(n)
    rows = max(1, _BLOCK_BYTES // (_BYTES_PER_PAIR * n))
    for start in range(0, n, rows):
        left, right = _matching_pairs(words[start : start + rows], words[start:], distance)
        edges = (np.ones(len(left), dtype=np.int8), (first[left + start], first[right + start]))
        _, component = connected_components(coo_array(edges, shape=(n, n)), directed=False)
        _, first_index, inverse = np.unique(component, return_index=True, return_inverse=True)
        first = first_index[inverse[first]]
    return first


def _matching_pairs(
    block: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64], distance: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Index pairs (into `block`, into `words`) of hashes at most `distance` bits apart."""
    bits = np.zeros((len(block), len(words)), dtype=np.uint16)
    for word in range(WORDS):
        bits += np.bitwise_count(block[:, word, None] ^ words[None, :, word])
    left, right = np.nonzero(bits <= distance)
    return left, right
