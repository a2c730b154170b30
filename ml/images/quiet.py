"""Keeps Pillow's warnings about a photo out of the process, from any thread."""

import re
import threading
import warnings

# What Pillow warns of (odd EXIF, a malformed MPO index, an APNG without frames) is about one
# photo; its outcome, a picture or a rejection, already says what is worth knowing.
_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_LOCK = threading.Lock()


def silence_pillow() -> None:
    """Put "ignore warnings that Pillow raises" first in the process's warning filters.

    `warnings.catch_warnings` would be the usual way, but before Python 3.14 it swaps the global
    filters and back, so that two decoding threads restore each other's. This only ever adds, and
    is called at each decode because somebody else's `catch_warnings` may have taken it away.
    """
    if _is_first():
        return
    with _LOCK:  # filterwarnings() removes before it inserts: never two at once
        if not _is_first():
            warnings.filterwarnings("ignore", module=_FILTER[3].pattern)


def _is_first() -> bool:
    return bool(warnings.filters) and warnings.filters[0] == _FILTER
