"""Which labelled photos must stay on one side: look-alikes, and those of one review."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ml.images.fingerprint import near_duplicate_groups
from ml.storage.labelled_photos import LabelledPhotoRow


def group_photos(rows: Sequence[LabelledPhotoRow]) -> list[int]:
    """A group number for each photo, from 0 on, in the order of each group's first photo.

    Two photos are of one group where they look alike (PDQ) or belong to one review, or where a
    chain of such pairs joins them: a buyer's photos of one parcel share its table, light and
    camera. A photo without a review is tied by its looks alone.
    """
    alike = near_duplicate_groups([r.pdq for r in rows], [r.pdq_quality for r in rows])
    first: dict[str, int] = {}
    same_review = [
        index if row.review_id is None else first.setdefault(row.review_id, index)
        for index, row in enumerate(rows)
    ]
    # Each photo is tied to its group of looks (numbered behind the photos) and its review's first.
    n = len(rows)
    ends = np.concatenate([np.asarray(alike, np.int64) + n, np.asarray(same_review, np.int64)])
    ties = (np.ones(2 * n, np.int8), (np.tile(np.arange(n), 2), ends))
    _, component = connected_components(coo_array(ties, shape=(2 * n, 2 * n)), directed=False)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(c, len(numbers)) for c in component[:n].tolist()]
