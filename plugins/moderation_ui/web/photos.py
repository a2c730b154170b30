"""Photos by content hash, upright, resized and without metadata; and their activation maps.

The bytes never come from a public bucket: only users of the pages get them, from here.
"""

from contextlib import contextmanager
from enum import IntEnum
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from cachetools import LRUCache, cached
from fastapi import APIRouter, Header, Query, Response

from moderation_ui.web.decoding import reserve_pixels, run_in_slot
from moderation_ui.web.errors import ApiError
from moderation_ui.web.resources import Opened, RequestModel, Resources, Sha256, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from ml.models.activation_map import ActivationMaps
    from ml.storage.connections import Connections

router = APIRouter(prefix="/photos")
Etag = Annotated[str, Header()]

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


class MapSize(IntEnum):
    """As `PhotoSize`, of activation maps."""

    MIDDLE = 640
    LARGE = 1280


class MapQuery(RequestModel):
    """The version and class of an activation map, and its long side."""

    model: Sha256
    label: Word
    side: MapSize


@router.get("/{sha}")
async def photo(
    sha: Sha256, side: Annotated[PhotoSize, Query()], opened: Opened, if_none_match: Etag = ""
) -> Response:
    """A photo that fits a square of `side` pixels."""
    return await _answer(_photo_jpeg, opened, (sha, int(side)), if_none_match)


@router.get("/{sha}/activation")
async def activation(
    sha: Sha256, query: Annotated[MapQuery, Query()], opened: Opened, if_none_match: Etag = ""
) -> Response:
    """The photo under a map of the areas that speak for a class."""
    key = (sha, int(query.side), query.model, query.label)
    return await _answer(_map_jpeg, opened, key, if_none_match)


async def _answer(
    encode: "Callable[..., bytes]", opened: Resources, key: tuple[object, ...], if_none_match: str
) -> Response:
    """The JPEG of a key; it never changes."""
    tag = f'"{"-".join(map(str, key))}"'
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": tag}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    data = await run_in_slot(encode, opened, *key)
    return Response(data, media_type="image/jpeg", headers=headers)


def _cache_key(_: Resources, *key: object) -> tuple[object, ...]:
    return key


@cached(_cache, key=_cache_key, lock=_cache_lock)
def _photo_jpeg(opened: Resources, sha: str, side: int) -> bytes:
    from ml.vision.images.display import arrange, as_jpeg

    with _decoded(opened, sha, side) as (_, pictures):
        return as_jpeg(arrange(pictures, side))


@cached(_cache, key=_cache_key, lock=_cache_lock)
def _map_jpeg(opened: Resources, sha: str, side: int, model: str, label: str) -> bytes:
    """Computes the map on each picture as the model saw it, and lays it over the displayed one."""
    from ml.models.activation_map import overlay
    from ml.storage.model_versions import is_registered
    from ml.vision.images.display import arrange, as_jpeg, decode_pictures
    from ml.vision.images.open_photo import decode_limits

    if not opened.transaction(is_registered, model):
        raise ApiError(404, "absent", "no such model version")
    with _decoded(opened, sha, side) as (data, pictures), _model_lock:
        maps = _load_maps(model, opened.connections)
        spec = maps.card.preprocessing
        seen = pictures
        if len(pictures) == 1:  # at the very scale of the model; several would take too long
            seen = decode_pictures(data, spec.resize, limits=decode_limits(opened.settings))
        shown = [picture.copy() for picture in pictures]
        for picture in shown:
            picture.thumbnail((side, side))
        pairs = zip(shown, seen, strict=True)
        return as_jpeg(arrange([overlay(p, maps.of(s, label), spec) for p, s in pairs], side))


@contextmanager
def _decoded(opened: Resources, sha: str, side: int) -> "Iterator[tuple[bytes, list[Image.Image]]]":
    """The stored bytes, and the pictures of the photo, large enough for `side` pixels."""
    from ml.storage import photo_archive
    from ml.vision.images.decode import decoded_pixels
    from ml.vision.images.display import decode_pictures, display_short_side
    from ml.vision.images.open_photo import decode_limits

    connections, settings = opened.connections, opened.settings
    places = opened.transaction(photo_archive.locate, sha)
    data = photo_archive.read(
        places,
        photos=connections.photos,
        models=connections.models,
        max_bytes=settings.max_image_bytes,
    )
    limits = decode_limits(settings)
    short_side = display_short_side(side, places.size)
    pixels = decoded_pixels(data, limits=limits, short_side=short_side)
    with reserve_pixels(pixels, settings.display_max_pixels):
        yield data, decode_pictures(data, short_side, limits=limits)


@cached(LRUCache(2), key=lambda model, _connections: model, lock=Lock())
def _load_maps(model: str, connections: "Connections") -> "ActivationMaps":
    import torch

    from ml.models.activation_map import ActivationMaps
    from ml.models.registry import fetch

    torch.set_num_threads(1)
    return ActivationMaps(fetch(model, store=connections.models, cache=connections.model_cache))
