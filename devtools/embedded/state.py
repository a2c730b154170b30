"""State of a server between starts: a small JSON file that only its owner can read."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ml.core.errors import ServiceError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    State = TypeVar("State", bound=DataclassInstance)


def save(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON atomically, mode 0600."""
    # mkstemp creates the file with mode 0600 whatever the umask is.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path, kind: "type[State]") -> "State | None":
    """Read the dataclass that `save` wrote; None if there is no file.

    Raises:
        ServiceError: the file is damaged or belongs to another user.
    """
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ServiceError(
            f"{path} cannot be read ({error}). Run as the user who first started the servers. If "
            "the file is damaged, restore it or set another MODERATION_DATA_DIR."
        ) from error
