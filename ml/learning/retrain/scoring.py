"""Score archived photos with several model versions, decoding each photo once."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import structlog
from PIL import ImageStat

from ml.core.concurrency import batched, bounded_map
from ml.core.errors import ImageRejected
from ml.core.settings import Settings
from ml.models import registry
from ml.models.predictor import Predictor, resolve_device
from ml.storage.connections import Connections
from ml.storage.photo_cache import local_copies
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits, decode_limits
from ml.vision.images.preprocess import Preprocessing, prepare
from ml.vision.images.views import SEVERAL_VIEWS

log = structlog.get_logger()

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ScoredPhotos:
    """N photos that could be decoded, and the scores of each version.

    `sizes` are (width, height) in pixels; `brightness` the mean luma, 0..255; `probabilities` one
    (N, C) array per version, columns in the order of the requested classes; `first_batch` the
    prepared pixels of the first photos, one list per version; `rejected` maps the content hashes of
    photos that could not be decoded to the reason.
    """

    hashes: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    brightness: Floats
    probabilities: tuple[Floats, ...]
    first_batch: tuple[list[Pixels], ...]
    rejected: dict[str, str]

    def rows(self, hashes: Sequence[str]) -> npt.NDArray[np.int64]:
        """The rows of these photos in the arrays, without those that could not be decoded."""
        row_of = {content_sha256: i for i, content_sha256 in enumerate(self.hashes)}
        return np.array([row_of[h] for h in hashes if h in row_of], dtype=np.int64)


@dataclass(frozen=True)
class _Prepared:
    """A photo; without pixels where it cannot be decoded, for the reason `rejection`."""

    content_sha256: str
    size: tuple[int, int] = (0, 0)
    brightness: float = 0.0
    pixels: tuple[Pixels, ...] = ()
    rejection: str | None = None


def load_predictor(model_hash: str, *, settings: Settings, connections: Connections) -> Predictor:
    """A registered version, computing as in the nightly run."""
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    return Predictor(
        checkpoint, device=resolve_device(settings.device), batch_size=settings.batch_size
    )


def score_photos(
    hashes: Sequence[str],
    predictors: Sequence[Predictor],
    *,
    classes: Sequence[str],
    settings: Settings,
    connections: Connections,
) -> ScoredPhotos:
    """Score archived photos, each once, with each version; `classes` of the policy are the columns.

    Raises:
        ObjectNotFound: a photo was never archived.
    """
    photos: list[_Prepared] = []
    rejected: dict[str, str] = {}
    scores: list[list[Floats]] = [[] for _ in predictors]
    first: tuple[list[Pixels], ...] = tuple([] for _ in predictors)
    for batch in _batches(hashes, predictors, settings, connections):
        good = [photo for photo in batch if photo.rejection is None]
        rejected |= {p.content_sha256: p.rejection for p in batch if p.rejection is not None}
        for v, predictor in enumerate(predictors if good else ()):
            pixels = [photo.pixels[v] for photo in good]
            scores[v].append(_score(predictor, pixels, classes))
            first[v].extend(pixels[: settings.batch_size - len(first[v])])
        # Pixels are not kept: memory stays flat however many photos there are.
        photos += [replace(photo, pixels=()) for photo in good]
    if rejected:
        log.warning("labeled photos that cannot be scored", photos=len(rejected))
    return ScoredPhotos(
        hashes=tuple(photo.content_sha256 for photo in photos),
        sizes=tuple(photo.size for photo in photos),
        brightness=np.array([photo.brightness for photo in photos], dtype=np.float64),
        probabilities=tuple(
            np.concatenate(parts) if parts else np.zeros((0, len(classes))) for parts in scores
        ),
        first_batch=first,
        rejected=rejected,
    )


def align_classes(probabilities: Floats, known: Sequence[str], classes: Sequence[str]) -> Floats:
    """Bring a version's columns (N, K) from the order of `known` into (N, C) of `classes`.

    A version that is older than a class of the policy can never predict it: probability 0, so that
    its recall there is 0, as in a nightly run. What it gives to a class that the policy has
    since dropped says nothing about the others: the rest is scaled to sum to 1, and is equal shares
    where all went to dropped classes.
    """
    out = np.zeros((len(probabilities), len(classes)))
    for c, name in enumerate(classes):
        if name in known:
            out[:, c] = probabilities[:, known.index(name)]
    total = out.sum(axis=1, keepdims=True)
    shares = np.full_like(out, 1 / len(classes))
    np.divide(out, total, out=shares, where=total > 0)
    return shares


def _score(predictor: Predictor, pixels: Sequence[Pixels], classes: Sequence[str]) -> Floats:
    known = predictor.card.classes
    rows = [[row[name] for name in known] for row in predictor.scores(pixels)]
    return align_classes(np.array(rows, dtype=np.float64), known, classes)


def _batches(
    hashes: Sequence[str],
    predictors: Sequence[Predictor],
    settings: Settings,
    connections: Connections,
) -> Iterator[list[_Prepared]]:
    specs = [predictor.card.preprocessing for predictor in predictors]
    limits = decode_limits(settings)
    paths = local_copies(connections.models, hashes, settings.data_dir / "labelled")
    threads = settings.decode_workers
    ahead = settings.batch_size + threads
    with ThreadPoolExecutor(threads, "decode") as pool:
        prepared = bounded_map(pool, lambda p: _prepare(p, specs, limits), paths, ahead=ahead)
        with closing(prepared):
            yield from batched(prepared, settings.batch_size)


def _prepare(path: Path, specs: Sequence[Preprocessing], limits: DecodeLimits) -> _Prepared:
    # Versions with different `resize` share the decode for the larger one: the other then sees up
    # to 8 levels of 255 of difference from its own (see ml.vision.images.decode.DRAFT_HEADROOM).
    short_side = max(spec.resize for spec in specs)
    try:
        photo = decode(path.read_bytes(), limits=limits, short_side=short_side)
    except ImageRejected as error:
        return _Prepared(path.name, rejection=error.reason.value)
    if photo.has_other_views:  # its label may be about any of them
        return _Prepared(path.name, rejection=SEVERAL_VIEWS)
    return _Prepared(
        content_sha256=path.name,
        size=(photo.width, photo.height),
        brightness=float(ImageStat.Stat(photo.image.convert("L")).mean[0]),
        pixels=tuple(prepare(photo.image, spec) for spec in specs),
    )


# The first forwards choose kernels and grow memory pools.
WARM_UP_ROUNDS = 2
ROUNDS = 9


def ms_per_photo(
    predictors: Sequence[Predictor], pixels: Sequence[Sequence[Pixels]], *, batch: int
) -> list[float]:
    """Median milliseconds per photo of `Predictor.scores` on full batches, one number per version.

    `pixels` are some prepared photos of each version, at least one; they are repeated to fill the
    batch. The versions take turns, each first in every other round: other load on the machine then
    slows both.
    """
    batches = [list(islice(cycle(photos), batch)) for photos in pixels]
    seconds: list[list[float]] = [[] for _ in predictors]
    order = list(range(len(predictors)))
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        for v in order:
            start = time.perf_counter()
            predictors[v].scores(batches[v])
            if number >= WARM_UP_ROUNDS:
                seconds[v].append(time.perf_counter() - start)
        order.reverse()
    return [1000 * median(duration) / batch for duration in seconds]
