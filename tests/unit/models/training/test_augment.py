import pytest
import torch

from ml.models.training.augment import augment
from ml.models.training.preset import Augmentation


def _recipe(**changes: object) -> Augmentation:
    plain: dict[str, object] = {"crop": "random", "sizes": [32], "flip": False}
    return Augmentation.model_validate({**plain, **changes})


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _coordinates(height: int, width: int) -> torch.Tensor:
    """A photo whose red is the row and whose green is the column."""
    rows = torch.arange(height).view(-1, 1).expand(height, width)
    columns = torch.arange(width).view(1, -1).expand(height, width)
    return torch.stack([rows, columns, torch.zeros(height, width)]).to(torch.uint8)


def test_augment_random_crop_covers_every_position_of_the_photo() -> None:
    photo = _coordinates(35, 33)
    batch = augment([photo] * 300, _recipe(), _generator(), size=32)
    corners = {(int(p[0, 0, 0]), int(p[1, 0, 0])) for p in batch}
    assert corners == {(row, column) for row in range(4) for column in range(2)}
    for crop in batch[:20]:
        top, left = int(crop[0, 0, 0]), int(crop[1, 0, 0])
        assert torch.equal(crop, photo[:, top : top + 32, left : left + 32])


def test_augment_resized_crop_covers_at_least_the_minimum_area() -> None:
    # 200 x 200: rows and columns seen tell the crop's sides; sampling blurs about one pixel each.
    photo = _coordinates(200, 200)
    recipe = _recipe(crop="random_resized", min_area=0.5)
    batch = augment([photo] * 300, recipe, _generator(), size=64).int()
    heights = (batch[:, 0].amax((1, 2)) - batch[:, 0].amin((1, 2))).float() + 3
    widths = (batch[:, 1].amax((1, 2)) - batch[:, 1].amin((1, 2))).float() + 3
    areas = heights * widths / 200**2
    assert areas.min() > 0.45  # a tall crop may be clipped to the photo
    assert areas.min() < 0.6
    assert areas.max() > 0.9
    aspects = widths / heights
    assert 0.7 < aspects.min() < 0.85
    assert 1.2 < aspects.max() < 1.4


def test_augment_flips_half_of_the_photos() -> None:
    photo = _coordinates(32, 32)
    batch = augment([photo] * 400, _recipe(flip=True), _generator(), size=32)
    flipped = [torch.equal(p, photo.flip(-1)) for p in batch]
    assert 150 < sum(flipped) < 250
    assert all(f or torch.equal(p, photo) for f, p in zip(flipped, batch, strict=True))


def test_augment_color_jitter_varies_each_factor_and_stays_in_range() -> None:
    photo = torch.zeros(3, 32, 32, dtype=torch.uint8)
    photo[0, :16], photo[2, 16:] = 200, 100  # red above, blue below
    batch = augment([photo] * 200, _recipe(colour=0.4), _generator(), size=32)
    assert batch.dtype == torch.uint8
    pixels = batch.float()
    # Brightness alone would leave black at black; contrast or saturation lift it.
    assert len(pixels.mean((1, 2, 3)).round().unique()) > 30
    assert pixels[:, 1].amax() > 0
    # 200 * 1.4 and more must stop at 255, not wrap round to dark.
    reds = pixels[:, 0, :16].mean((1, 2))
    assert reds.max() == 255
    assert reds.min() > 60  # 200 * 0.6, drawn to gray twice; 280 would wrap to 24


def test_augment_without_color_jitter_keeps_the_pixels() -> None:
    photo = _coordinates(32, 32)
    assert torch.equal(augment([photo], _recipe(), _generator(), size=32)[0], photo)


@pytest.mark.parametrize("crop", ["random", "random_resized"])
def test_augment_draws_only_from_its_generator(crop: str) -> None:
    min_area = 0.3 if crop == "random_resized" else None
    recipe = _recipe(crop=crop, min_area=min_area, flip=True, colour=0.4)
    photos = [_coordinates(50, 70)] * 8
    first, again, other = (augment(photos, recipe, _generator(s), size=40) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
