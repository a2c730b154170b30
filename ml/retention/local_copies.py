"""Kept photos that a machine has fetched for itself: `labelled/` of its data folder.

Each machine clears its own, when it deletes kept photos and when it works on a month.
"""

import structlog
from sqlalchemy import Engine

from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import deleted

log = structlog.get_logger()

_PHOTOS = 10_000  # a query


def forget_copies(settings: Settings, engine: Engine) -> int:
    """Delete this machine's copies of photos whose kept bytes are gone; returns how many."""
    folder = settings.data_dir / "labelled"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    forgotten = 0
    for start in range(0, len(names), _PHOTOS):
        part = names[start : start + _PHOTOS]
        gone = in_transaction(engine, lambda c, part=part: deleted(c, part))  # type: ignore[misc]  # mypy cannot type a lambda's default
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        forgotten += len(gone)
    if forgotten:
        log.info("local copies of photos deleted", photos=forgotten)
    return forgotten
