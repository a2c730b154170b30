"""Photos by content hash, upright, reduced and without metadata; and what the model looked at.

Bytes never come from a public bucket: whoever may see the pages gets them through here.
"""

from enum import IntEnum
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from cachetools import LRUCache
from fastapi import APIRouter, Depends, Header, Query, Response

from moderation_ui.web.errors import ApiError
from moderation_ui.web.request_types import JsonBody, Sha256, Word
from moderation_ui.web.resources import Resources, resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from ml.models.activation_map import ActivationMaps
    from ml.storage.connections import Connections

router = APIRouter(prefix="/photos")
Opened = Annotated[Resources, Depends(resources)]

_CACHE_BYTES = 256 * 2**20  # of encoded JPEGs, a few hundred kB each
_cache: LRUCache[tuple[object, ...], bytes] = LRUCache(_CACHE_BYTES, getsizeof=len)
_cache_lock = Lock()
_model_lock = Lock()  # one activation map at a time: the server's cores are for the pages


class PhotoSize(IntEnum):
    """Pixels of the long side that the pages ask for; few, so that the cache is met."""

    SMALL = 320
    MIDDLE = 640
    LARGE = 1280
    FULL = 2048


class MapSide(IntEnum):
    """As `PhotoSize`, of activation maps."""

    MIDDLE = 640
    LARGE = 1280


class MapQuery(JsonBody):
    """Of which version and class a map is asked for."""

    model: Sha256
    label: Word
    side: MapSide


@router.get("/{sha}")
def photo(
    sha: Sha256,
    side: Annotated[PhotoSize, Query()],
    opened: Opened,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A photo that fits a square of `side` pixels."""
    from ml.vision.images.decode import as_jpeg

    def make() -> bytes:
        return as_jpeg(_reduced(opened, *_bytes_of(opened, sha), side))

    return _answer((sha, int(side)), if_none_match, make)


@router.get("/{sha}/activation")
def activation(
    sha: Sha256,
    query: Annotated[MapQuery, Query()],
    opened: Opened,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The photo with the places that speak for a class laid over it."""
    from ml.vision.images.decode import as_jpeg

    def make() -> bytes:
        data, size = _bytes_of(opened, sha)
        shown = _reduced(opened, data, size, query.side)
        return as_jpeg(_with_map(opened, shown, data, query))

    return _answer((sha, int(query.side), query.model, query.label), if_none_match, make)


def _answer(key: tuple[object, ...], if_none_match: str, make: "Callable[[], bytes]") -> Response:
    """The JPEG of a key, made once; what a key names never changes."""
    tag = f'"{"-".join(str(part) for part in key)}"'
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": tag}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    with _cache_lock:
        found = _cache.get(key)
    if found is None:
        found = make()
        with _cache_lock:
            _cache[key] = found
    return Response(found, media_type="image/jpeg", headers=headers)


def _bytes_of(opened: Resources, sha: str) -> tuple[bytes, tuple[int, int] | None]:
    """The photo's bytes, and its size where it is known."""
    from ml.storage import photo_archive

    places = opened.transaction(photo_archive.locate, sha)
    data = photo_archive.read(
        places,
        photos=opened.connections.photos,
        models=opened.connections.models,
        max_bytes=opened.settings.max_image_bytes,
    )
    return data, places.size


def _reduced(
    opened: Resources, data: bytes, size: tuple[int, int] | None, side: int
) -> "Image.Image":
    from ml.vision.images.decode import decode_limits, resize_for_display

    return resize_for_display(data, side, limits=decode_limits(opened.settings), size=size)


def _with_map(
    opened: Resources, shown: "Image.Image", data: bytes, query: MapQuery
) -> "Image.Image":
    """Computes the map on the photo as the model saw it, and lays it over the shown one."""
    from ml.models.activation_map import overlay
    from ml.vision.images.decode import decode, decode_limits

    _check_registered(opened, query.model)
    with _model_lock:
        maps = _maps(query.model, opened.connections)
        spec = maps.card.preprocessing
        limits = decode_limits(opened.settings)
        tensor = decode(data, limits=limits, short_side=spec.resize).image
        return overlay(shown, maps.of(tensor, query.label), spec)


def _check_registered(opened: Resources, model: str) -> None:
    from ml.storage.model_versions import is_registered

    if not opened.transaction(is_registered, model):
        raise ApiError(404, "absent", "no such model version")


@lru_cache(maxsize=2)
def _maps(model: str, connections: "Connections") -> "ActivationMaps":
    import torch

    from ml.models.activation_map import ActivationMaps
    from ml.models.registry import fetch

    torch.set_num_threads(1)
    return ActivationMaps(fetch(model, store=connections.models, cache=connections.model_cache))
