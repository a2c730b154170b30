"""Random fields that make a drawn surface look photographed."""

import numpy as np

from devtools.sample_photos.rendering.pixels import Field, as_floats, resize_field
from devtools.sample_photos.rendering.random_choice import Rng


def fractal_noise(
    rng: Rng,
    height: int,
    width: int,
    *,
    cells: tuple[int, int] = (4, 4),
    octaves: int = 4,
    gain: float = 0.5,
) -> Field:
    """Return noise of several scales, (height, width), mean about 0, deviation about 1.

    Args:
        rng: source of randomness.
        height: rows of the result.
        width: columns of the result.
        cells: rows and columns of the coarsest octave; unequal cells stretch the noise.
        octaves: how many scales, each twice as fine as the one before.
        gain: amplitude of an octave relative to the one before.
    """
    rows, columns = cells
    field = rng.standard_normal((rows, columns), dtype=np.float32)
    power = 1.0
    for octave in range(1, octaves):
        rows, columns = rows * 2, columns * 2
        amplitude = gain**octave
        finer = rng.standard_normal((rows, columns), dtype=np.float32)
        field = resize_field(field, rows, columns) + np.float32(amplitude) * finer
        power += amplitude**2
    return resize_field(field, height, width) / np.float32(np.sqrt(power) * 0.8)


def pixel_noise(rng: Rng, height: int, width: int) -> Field:
    """Return independent noise per pixel, (height, width), deviation 1.

    A quarter of the picture is random and mirrored three times: four times as fast,
    and the repetition is not visible under a photo.
    """
    half = rng.standard_normal((height // 2 + 1, width // 2 + 1), dtype=np.float32)
    wide = np.concatenate([half, half[::-1, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]], axis=0)[:height, :width]


def cloth_folds(
    rng: Rng, height: int, width: int, *, cells: tuple[int, int], depth: float
) -> Field:
    """Return a height map of creased cloth in pixels, (height, width).

    The sharp valleys of the absolute value of noise are the creases.
    """
    soft = fractal_noise(rng, height, width, cells=cells, octaves=4, gain=0.42)
    return as_floats(depth * (np.abs(soft) + 0.35 * soft))
