"""Whether a photo is an edited copy of another one: cropped, framed, mirrored, turned, drawn over.

Small gray pictures are aligned by ORB keypoints (OpenCV), and compared block by block. Photos of
one product, or of one floor with several clothes on it, have keypoints in common, too; but then
many of their blocks differ.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import faiss
import numpy as np
import numpy.typing as npt

NAME = "copies"
LONG_SIDE = 160  # pixels of a picture
MIN_INLIERS = 8  # keypoints that one similarity transform maps
MIN_EQUAL = 0.7  # share of the compared blocks

_SHORT_SIDE = 24  # pixels, at least
_KEYPOINTS = 300
_RATIO = 0.85  # of the distances to the nearest and the next descriptor, at most
_MAX_ERROR = 3.0  # pixels, of an inlier
_BLOCK, _STEP = 16, 8  # pixels
_MIN_VARIANCE = 36.0  # levels squared; a flatter block is not compared
_MIN_CORRELATION = 0.9  # of an equal block
_MIN_BLOCKS = 12
_MIN_INSIDE = 0.99  # of a compared block, within both pictures
_BLUR = 1.2  # pixels; pictures of two sizes are not equally sharp
_QUALITY = 90

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def small_picture(pixels: npt.NDArray[np.uint8], width: int, height: int) -> Gray:
    """The gray picture of a model's input (3, side, side), at the aspect of the photo.

    `width` and `height` are those of the photo; equal ones, if the input is a center square.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(pixels.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)
    scale = LONG_SIDE / max(width, height)
    size = tuple(max(_SHORT_SIDE, round(side * scale)) for side in (width, height))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def encode_picture(gray: Gray) -> bytes:
    """A file of a picture, some 5 kB."""
    _, data = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def decode_picture(data: bytes) -> Gray:
    """The picture of a file of `encode_picture`."""
    gray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(gray, np.uint8)


@dataclass(frozen=True)
class Picture:
    """A small gray picture (H, W), whose keypoints are computed once."""

    gray: Gray

    @cached_property
    def points(self) -> tuple[Floats, Gray]:
        """Keypoints (n, 2) in pixels, and their descriptors (n, 32)."""
        orb = cv2.ORB.create(
            nfeatures=_KEYPOINTS, scaleFactor=1.25, nlevels=6, edgeThreshold=12, patchSize=24,
            fastThreshold=8,
        )  # fmt: skip
        found, descriptors = orb.detectAndCompute(self.gray, None)
        if not found:
            return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
        return np.array([point.pt for point in found], np.float32), np.asarray(descriptors)

    @cached_property
    def mirrored(self) -> "Picture":
        """The mirrored picture."""
        return Picture(np.ascontiguousarray(self.gray[:, ::-1]))


@dataclass(frozen=True)
class Alignment:
    """How a photo lies on another one, and the share of the compared blocks that are equal."""

    equal: float
    mirrored: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether the photos are copies of each other."""
        return self.equal >= MIN_EQUAL


def find_copy(photo: Picture, other: Picture) -> Alignment | None:
    """How a photo lies on the other one, perhaps mirrored, if it is a copy of it; else None."""
    for is_mirrored in (False, True):
        laid = photo.mirrored if is_mirrored else photo
        matrix = _align(laid, other)
        if matrix is not None:
            found = Alignment(_equal_share(laid.gray, other.gray, matrix), is_mirrored)
            if found.is_copy:
                return found
    return None


def _align(photo: Picture, other: Picture) -> npt.NDArray[np.float64] | None:
    """The similarity transform (2, 3) that lays the other picture on the photo."""
    (where, queries), (elsewhere, known) = photo.points, other.points
    if min(len(queries), len(known)) < MIN_INLIERS:
        return None
    index = faiss.IndexBinaryFlat(8 * known.shape[1])
    index.add(known)
    distances, rows = index.search(queries, 2)
    is_clear = distances[:, 0] < _RATIO * distances[:, 1]
    pairs = dict(zip(rows[is_clear, 0].tolist(), np.flatnonzero(is_clear).tolist(), strict=True))
    if len(pairs) < MIN_INLIERS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        elsewhere[list(pairs.keys())], where[list(pairs.values())],
        method=cv2.RANSAC, ransacReprojThreshold=_MAX_ERROR, maxIters=500, confidence=0.99,
    )  # fmt: skip
    if matrix is None or int(inliers.sum()) < MIN_INLIERS:
        return None
    return np.asarray(matrix, np.float64)


def _equal_share(photo: Gray, other: Gray, matrix: npt.NDArray[np.float64]) -> float:
    """The share of blocks that correlate, among those with structure in both pictures."""
    size = (photo.shape[1], photo.shape[0])
    laid = cv2.warpAffine(other, matrix, size)
    inside = cv2.warpAffine(np.ones(other.shape, np.float32), matrix, size)
    a, b = (np.asarray(cv2.GaussianBlur(p, (0, 0), _BLUR), np.float32) for p in (photo, laid))
    mean_a, mean_b = _block_means(a), _block_means(b)
    of_a = _block_means(a * a) - mean_a**2
    of_b = _block_means(b * b) - mean_b**2
    covariance = _block_means(a * b) - mean_a * mean_b
    compared = (_block_means(np.asarray(inside, np.float32)) >= _MIN_INSIDE) & (
        np.minimum(of_a, of_b) > _MIN_VARIANCE
    )
    if compared.sum() < _MIN_BLOCKS:
        return 0.0
    correlation = covariance[compared] / np.sqrt(of_a[compared] * of_b[compared])
    return float((correlation >= _MIN_CORRELATION).mean())


def _block_means(values: npt.NDArray[np.float32]) -> Floats:
    means = cv2.blur(values, (_BLOCK, _BLOCK))[_STEP::_STEP, _STEP::_STEP]
    return np.asarray(means, np.float32)
