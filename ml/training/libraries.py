"""Versions of the libraries that a model version's numbers depend on, for its card."""

import platform
from importlib.metadata import version

_NAMES = ("torch", "torchvision", "pillow", "safetensors")


def library_versions() -> dict[str, str]:
    """Name -> version of each, and of Python."""
    return {name: version(name) for name in _NAMES} | {"python": platform.python_version()}
