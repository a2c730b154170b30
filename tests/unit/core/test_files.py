import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import get_ident

import pytest

from ml.core.errors import StorageError, StorageFull
from ml.core.files import scratch_folder, write_file

# Makes a folder, writes into it, and dies.
_KILLED = """
import os, signal, sys
from pathlib import Path
from ml.core.files import scratch_folder
with scratch_folder(Path(sys.argv[1]), "made-") as folder:
    (folder / "inside").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_write_file_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    for data in (b"first", b"2"):
        write_file(path, data)
        assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_full_disk_is_a_typed_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / f"file.{os.getpid()}.{get_ident()}.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=r"no space is left for .*file: free disk space"):
        write_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        write_file(tmp_path / "file" / "inside", b"new")


def test_scratch_folder_is_deleted_at_its_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "new", "made-") as folder:
        (folder / "file").write_bytes(b"data")
    assert not list((tmp_path / "new").iterdir())


def test_scratch_folder_of_a_killed_process_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    other = tmp_path / "other"
    other.mkdir()
    (left,) = set(tmp_path.iterdir()) - {other}
    with scratch_folder(tmp_path, "made-") as folder:
        assert set(tmp_path.iterdir()) == {folder, other}
    assert not left.exists()


def test_scratch_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "made-") as first, scratch_folder(tmp_path, "made-") as second:
        assert first != second
        assert set(tmp_path.iterdir()) == {first, second}
