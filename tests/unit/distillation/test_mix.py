import torch

from ml.distillation.mix import mix


def _batch() -> torch.Tensor:
    shades = torch.arange(4, dtype=torch.uint8) * 60
    return shades.view(4, 1, 1, 1).expand(4, 3, 16, 16).clone()


def _mixed(share: float, seeds: int) -> list[torch.Tensor]:
    return [mix(_batch(), share, torch.Generator().manual_seed(seed)) for seed in range(seeds)]


def test_a_share_of_nothing_leaves_every_batch_as_it_is() -> None:
    assert all(torch.equal(mixed, _batch()) for mixed in _mixed(0.0, 30))


def test_mixed_batches_blend_or_paste_and_are_repeated_by_their_seed() -> None:
    mixed = _mixed(1.0, 60)
    assert all(m.shape == (4, 3, 16, 16) and m.dtype == torch.uint8 for m in mixed)
    uneven = [m for m in mixed if any(len(photo.unique()) > 1 for photo in m)]
    changed = [m for m in mixed if not torch.equal(m, _batch())]
    blended = [m for m in changed if all(len(photo.unique()) == 1 for photo in m)]
    assert len(uneven) > 10
    assert len(blended) > 10
    for pasted in uneven:
        assert set(pasted.unique().tolist()) <= {0, 60, 120, 180}
    assert all(torch.equal(a, b) for a, b in zip(mixed, _mixed(1.0, 60), strict=True))


def test_the_given_batch_is_not_touched() -> None:
    given = _batch()
    for seed in range(20):
        mix(given, 1.0, torch.Generator().manual_seed(seed))
    assert torch.equal(given, _batch())
