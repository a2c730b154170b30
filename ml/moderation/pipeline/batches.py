"""Group the prepared photos of a run into batches for the forward pass, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml.moderation.pipeline.photo_threads import Prepared
from ml.moderation.pipeline.preprocessing import PreparedImage

# Maximum outcomes of a batch, in batch sizes: many rejected photos in a row must still be stored.
MAX_GROUP_FACTOR = 4
# Of the files of a batch whose text may be read after the forward pass. Beyond it, those with the
# least likely text are let go: a GPU's batch of phone photos would take gigabytes.
MAX_UNREAD_BYTES = 128 * 2**20


def group_batches(items: Iterator[Prepared], batch_size: int) -> Iterator[list[Prepared]]:
    """Group a stream into batches with `batch_size` photos to score; fewer if many are rejected."""
    batch: list[Prepared] = []
    photos = unread_bytes = 0
    for item in items:
        batch.append(item)
        photos += isinstance(item, PreparedImage)
        unread_bytes += _unread_bytes(item)
        while unread_bytes > MAX_UNREAD_BYTES:
            place = _least_likely(batch)
            unread_bytes -= _unread_bytes(batch[place])
            batch[place] = _without_file(batch[place])
        if photos == batch_size or len(batch) == MAX_GROUP_FACTOR * batch_size:
            yield batch
            batch, photos, unread_bytes = [], 0, 0
    if batch:
        yield batch


def _unread_bytes(item: Prepared) -> int:
    if not isinstance(item, PreparedImage) or item.unread is None:
        return 0
    return len(item.unread.fetched.data)


def _least_likely(batch: Sequence[Prepared]) -> int:
    """The place of the photo with the least likely text, of those that keep their file."""
    likelihoods = {
        place: item.unread.likelihood
        for place, item in enumerate(batch)
        if isinstance(item, PreparedImage) and item.unread is not None
    }
    return min(likelihoods, key=likelihoods.__getitem__)


def _without_file(item: Prepared) -> Prepared:
    return replace(item, unread=None) if isinstance(item, PreparedImage) else item
