"""Local files: written as a whole, with typed errors; folders that no killed process leaves."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import get_ident

from ml.core.errors import StorageError, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole, even where two processes write it at once; makes its folder.

    Raises:
        StorageFull: the disk is full; no part of the file is left.
        StorageError: the file cannot be written for another reason.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"no space is left for {path}: free disk space, then retry"
            ) from error
        raise StorageError(
            f"{path} cannot be written ({error.strerror}): check its disk and permissions"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder of `parent`, deleted at the end; deletes those of killed processes.

    A process holds a lock on its folder, which ends with the process, however that ends. Where the
    file system has no locks, no other process's folder is deleted.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as own:
        # Nobody takes a folder for abandoned that is made, but not locked yet.
        with ExitStack() as making:
            _lock(parent, making, fcntl.LOCK_EX)
            for found in parent.glob(f"{prefix}*"):
                _delete_abandoned(found)
            folder = Path(mkdtemp(prefix=prefix, dir=parent))
            _lock(folder, own, fcntl.LOCK_EX)
        own.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _delete_abandoned(folder: Path) -> None:
    with ExitStack() as locks:
        if _lock(folder, locks, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path, locks: ExitStack, operation: int) -> bool:
    """Lock a folder until `locks` ends; whether that succeeded."""
    try:
        number = os.open(folder, os.O_RDONLY)
        locks.callback(os.close, number)
        fcntl.flock(number, operation)
    except OSError:
        return False
    return True
