"""The seconds of each photo, and files as a source of photos."""

from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars

from ml.core.errors import StorageError
from ml.moderation.local_files.score_files import FileSource, PhotoTimer


def test_timer_keeps_photos_and_batches_apart() -> None:
    timer = PhotoTimer()
    for key, seconds in (("a", 1.0), ("b", 2.0), ("a", 4.0)):
        with bound_contextvars(image=key):
            timer.add("decode", seconds)
    timer.add("forward", 8.0)
    assert timer.take("a") == {"decode": 5.0}
    assert timer.take("a") == {}
    assert timer.drain() == {"forward": 8.0}
    assert timer.take("b") == {"decode": 2.0}


def test_source_reads_one_byte_over_the_limit_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    source = FileSource()
    assert source.get(str(path)) == b"12345"
    assert source.get(str(path), max_bytes=3) == b"1234"
    with pytest.raises(StorageError, match="not a regular file"):
        source.get("/dev/zero", max_bytes=3)
