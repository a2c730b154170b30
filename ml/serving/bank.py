"""The bank of near duplicates, read anew while the service runs."""

from sqlalchemy import Engine

from ml.images.fingerprint import NEAR_DUPLICATE_DISTANCE
from ml.screens.duplicates import DecidedPhotos, Match
from ml.storage.audit_runs import JudgedBy
from ml.storage.duplicate_bank import decided_photos


class CurrentBank:
    """A bank whose photos are exchanged as a whole. Safe in a pool of threads."""

    def __init__(self) -> None:
        self._photos = DecidedPhotos(())

    def near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        return self._photos.near(pdq, distance)

    def read(self, engine: Engine, judged_by: JudgedBy) -> None:
        """Take all that was decided up to now, by the policy's classes.

        Raises:
            StorageForbidden, StorageUnavailable: the bank stays as it was.
        """
        if judged_by.policy.screens.duplicates.enabled:
            self._photos = DecidedPhotos(decided_photos(engine, judged_by))
