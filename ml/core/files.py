"""Write local files as a whole, with typed errors where the disk does not take them."""

import errno
import os
from contextlib import suppress
from pathlib import Path
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
