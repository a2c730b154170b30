import os
from pathlib import Path
from threading import get_ident

import pytest

from ml.core.errors import StorageError, StorageFull
from ml.core.files import write_file


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
