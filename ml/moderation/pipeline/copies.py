"""Screen `copies`: edited copies of blocked photos, found by the model's features.

The features choose the blocked photos that a photo is compared with, and the pictures decide.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from ml.core.types import Evidence, ScreenResult, negative, positive, screen_failed
from ml.models.nearest_photos import NearestPhotos
from ml.moderation.pipeline.preprocessing import PreparedImage
from ml.vision.images.preprocess import Preprocessing
from ml.vision.screens.copies import (
    NAME,
    Alignment,
    Gray,
    Picture,
    decode_picture,
    find_copy,
    small_picture,
)

log = structlog.get_logger()

COMPARED = 10  # blocked photos, of each photo
MIN_SIMILARITY = 0.75  # cosine; of less similar photos none is a copy
_MAX_PICTURES = 2_000  # in memory, some 60 MB with their keypoints

Floats = npt.NDArray[np.float32]
LoadPictures = Callable[[Sequence[str]], dict[str, bytes]]


class BlockedCopies:
    """Blocked photos by their features (N, F), N > 0, and their pictures. Thread-safe.

    `load_pictures` returns files by content hash; a photo without one is not compared.
    """

    def __init__(
        self,
        contents: Sequence[str],
        features: npt.NDArray[np.floating],
        load_pictures: LoadPictures,
    ) -> None:
        self._contents, self._load_pictures = contents, load_pictures
        self._nearest = NearestPhotos(features)
        self._pictures: dict[str, Picture | None] = {}

    def screen(self, features: Floats, pictures: Sequence[Gray | None]) -> list[ScreenResult]:
        """Fire `copy_of_blocked` if a photo is an edited copy of a blocked one.

        `features` (M, F) and gray pictures of the photos. `value` is the share of equal blocks.

        Raises:
            StorageError: the pictures cannot be loaded.
        """
        found = zip(*self._nearest.search(features, COMPARED), strict=True)
        candidates = [
            [self._contents[row] for row in rows[similarities >= MIN_SIMILARITY].tolist()]
            for similarities, rows in found
        ]
        known = self._load({content for some in candidates for content in some})
        return [
            self._screen(picture, some, known)
            for picture, some in zip(pictures, candidates, strict=True)
        ]

    def _screen(
        self, gray: Gray | None, candidates: Sequence[str], known: dict[str, Picture | None]
    ) -> ScreenResult:
        if gray is None:
            return negative(NAME)
        photo = Picture(gray)
        try:
            for content in candidates:
                other = known[content]
                copy = find_copy(photo, other) if other is not None else None
                if copy is not None:
                    return positive(NAME, "copy_of_blocked", copy.equal, _describe(content, copy))
        except Exception as error:  # noqa: BLE001 - no error of a library may stop the shard
            return screen_failed(NAME, error)
        return negative(NAME)

    def _load(self, contents: set[str]) -> dict[str, Picture | None]:
        """The pictures of the contents, kept for the next photos."""
        missing = sorted(contents - self._pictures.keys())
        if len(self._pictures) + len(missing) > _MAX_PICTURES:
            self._pictures, missing = {}, sorted(contents)
        files = self._load_pictures(missing) if missing else {}
        for content in missing:
            self._pictures[content] = _read_picture(content, files.get(content))
        return {content: self._pictures[content] for content in contents}


def small_pictures(
    photos: Sequence[PreparedImage], worst: Sequence[int], spec: Preprocessing
) -> list[Gray]:
    """The pictures of the photos' worst views, given their numbers, as the model saw them."""
    return [
        small_picture(
            photo.pixels[number],
            *((photo.content.width, photo.content.height) if spec.fit == "squash" else (1, 1)),
        )
        for photo, number in zip(photos, worst, strict=True)
    ]


def _read_picture(content: str, data: bytes | None) -> Picture | None:
    """None of a photo that cannot be compared."""
    try:
        return Picture(decode_picture(data)) if data else None
    except Exception as error:  # noqa: BLE001 - one damaged row may not stop the shard
        log.warning("a blocked photo's picture is damaged", content=content, error=str(error))
        return None


def _describe(content: str, copy: Alignment) -> Evidence:
    equal = round(copy.equal, 3)
    return {"photos": [{"content_sha256": content, "equal": equal, "mirrored": copy.mirrored}]}
