"""Photos by content hash, upright, reduced and without metadata; and what the model looked at.

Bytes never come from a public bucket: whoever may see the pages gets them through here.
"""

from enum import IntEnum
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from cachetools import LRUCache
from fastapi import APIRouter, Depends, Header, Query, Response

from moderation_ui.input_types import Body, Sha256, Word
from moderation_ui.refusals import Refused
from moderation_ui.resources import Resources, resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from ml.connections import Connections
    from ml.images.activation_map import ActivationMaps

router = APIRouter(prefix="/photos")
Opened = Annotated[Resources, Depends(resources)]

_CACHE_BYTES = 256 * 2**20  # of encoded JPEGs, a few hundred kB each
_cache: LRUCache[tuple[object, ...], bytes] = LRUCache(_CACHE_BYTES, getsizeof=len)
_cache_lock = Lock()
_model_lock = Lock()  # one activation map at a time: the server's cores are for the pages


class Side(IntEnum):
    """Pixels of the long side that the pages ask for; few, so that the cache is met."""

    SMALL = 320
    MIDDLE = 640
    LARGE = 1280
    FULL = 2048


class MapSide(IntEnum):
    """As `Side`, of activation maps."""

    MIDDLE = 640
    LARGE = 1280


class MapAsked(Body):
    """Of which version and class a map is asked for."""

    model: Sha256
    label: Word
    side: MapSide


@router.get("/{sha}")
def photo(
    sha: Sha256,
    side: Annotated[Side, Query()],
    opened: Opened,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A photo that fits a square of `side` pixels."""
    from ml.images.serve import as_jpeg

    def make() -> bytes:
        return as_jpeg(_reduced(opened, *_bytes_of(opened, sha), side))

    return _answer((sha, int(side)), if_none_match, make)


@router.get("/{sha}/activation")
def activation(
    sha: Sha256,
    asked: Annotated[MapAsked, Query()],
    opened: Opened,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The photo with the places that speak for a class laid over it."""
    from ml.images.serve import as_jpeg

    def make() -> bytes:
        data, size = _bytes_of(opened, sha)
        shown = _reduced(opened, data, size, asked.side)
        return as_jpeg(_with_map(opened, shown, data, asked))

    return _answer((sha, int(asked.side), asked.model, asked.label), if_none_match, make)


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
    from ml.images import by_content

    places = opened.transaction(lambda c: by_content.places_of(c, sha))
    data = by_content.read(
        places,
        photos=opened.connections.photos,
        models=opened.connections.models,
        max_bytes=opened.settings.max_image_bytes,
    )
    return data, places.size


def _reduced(
    opened: Resources, data: bytes, size: tuple[int, int] | None, side: int
) -> "Image.Image":
    from ml.images.decode import decode_limits
    from ml.images.serve import reduced

    return reduced(data, side, limits=decode_limits(opened.settings), size=size)


def _with_map(
    opened: Resources, shown: "Image.Image", data: bytes, asked: MapAsked
) -> "Image.Image":
    """The map is made of the photo as the judge saw it, and laid over what is shown."""
    from ml.images.activation_map import overlay
    from ml.images.decode import decode, decode_limits

    _check_registered(opened, asked.model)
    with _model_lock:
        maps = _maps(asked.model, opened.connections)
        spec = maps.card.preprocessing
        limits = decode_limits(opened.settings)
        judged = decode(data, limits=limits, short_side=spec.resize).image
        return overlay(shown, maps.of(judged, asked.label), spec)


def _check_registered(opened: Resources, model: str) -> None:
    from sqlalchemy import select

    from ml.storage.schema import model_version

    query = select(model_version.c.model_hash).where(model_version.c.model_hash == model)
    if opened.transaction(lambda c: c.execute(query).first()) is None:
        raise Refused(404, "absent", "no such model version")


@lru_cache(maxsize=2)
def _maps(model: str, connections: "Connections") -> "ActivationMaps":
    import torch

    from ml.images.activation_map import ActivationMaps
    from ml.model.registry import fetch

    torch.set_num_threads(1)
    return ActivationMaps(fetch(model, store=connections.models, cache=connections.model_cache))
