"""The sample catalogue: many photos in a seeded order, rendered by a pool of processes."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import psutil

from devtools.sample_photos.photo import NORMAL, VIOLATIONS, SamplePhoto
from devtools.sample_photos.render import render_photo
from ml.core.errors import SettingsError

_MAX_CHUNK = 16


def categories(seed: int, photos: int, violating_share: float = 0.2) -> list[str]:
    """Return the category of each photo of a catalogue, shuffled by the seed.

    The default share is the source article's ratio of 4 : 1 of normal to violating photos.
    Violations are distributed evenly over their categories.

    Raises:
        SettingsError: the count is negative, or the share is not within 0..1.
    """
    if photos < 0 or not 0 <= violating_share <= 1:
        raise SettingsError(
            f"{photos} photos with a violating share of {violating_share}: "
            "use a count of 0 or more and a share from 0 to 1"
        )
    violating = round(photos * violating_share)
    dealt = list(itertools.islice(itertools.cycle(VIOLATIONS), violating))
    names = np.array(dealt + [NORMAL] * (photos - violating))
    order = np.random.default_rng((seed, photos)).permutation(photos)
    return [str(name) for name in names[order]]


def _render_numbered(job: tuple[int, str], *, seed: int) -> SamplePhoto:
    index, category = job
    return render_photo(seed, index, category)


def render_catalogue(
    seed: int, photos: int, violating_share: float = 0.2, workers: int | None = None
) -> Iterator[SamplePhoto]:
    """Yield the photos of a catalogue in the order of their numbers.

    Args:
        seed: the same seed gives the same bytes, with any number of workers.
        photos: number of photos.
        violating_share: share of violating photos, 0..1.
        workers: processes; 1 renders in this process, None starts one for each core.

    Raises:
        SettingsError: the count is negative, or the share is not within 0..1.
    """
    jobs = list(enumerate(categories(seed, photos, violating_share)))
    render = partial(_render_numbered, seed=seed)
    count = workers or psutil.cpu_count() or 1
    if count == 1:
        yield from map(render, jobs)
        return
    # Spawned, not forked: the caller may have threads (torch, boto3), and a fork could deadlock.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield from pool.map(render, jobs, chunksize=max(1, min(_MAX_CHUNK, photos // count)))
