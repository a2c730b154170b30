"""A sample of the shop's photos that nobody labelled, for a snapshot."""

from collections.abc import Collection
from datetime import timedelta

from ml.core.manifest import ListedPhoto
from ml.core.settings import Settings
from ml.core.window import Window
from ml.learning.pretraining.photo_list import list_photos
from ml.storage.connections import Connections
from ml.storage.retrain_runs import RetrainRun

PERIOD = timedelta(days=31)  # before the run


def sample_unlabelled(
    run: RetrainRun,
    labelled: Collection[str],
    *,
    settings: Settings,
    connections: Connections,
) -> tuple[ListedPhoto, ...]:
    """Photos of the month, as many as the policy asks for; `labelled` contents are left out."""
    wanted = run.policy.retraining.unlabelled_photos
    if not wanted:
        return ()
    window = Window(run.as_of - PERIOD, run.as_of)
    listed = list_photos(window, max_photos=wanted, settings=settings, connections=connections)
    return tuple(photo for photo in listed.photos if photo.content_sha256 not in labelled)
