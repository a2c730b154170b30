"""Memory that processes share and that has no name."""

import os
import tempfile


def open_anonymous_file(size: int) -> int:
    """A descriptor of memory without a name: nothing is left of it, whoever dies.

    On Linux it is not limited by the size of /dev/shm, which is 64 MB in a container.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("worker")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)  # it occupies memory only where something is written
    return descriptor
