"""Two photos in one: a blend, or a rectangle of one pasted into the other."""

import torch


def mix(batch: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Mix a batch with itself in another order, in `share` of the calls.

    Half of them blend (mixup, Zhang et al. 2017, arXiv:1710.09412), half paste a rectangle of
    uniform area (CutMix, Yun et al. 2019, arXiv:1905.04899). The teacher says what is to be seen in
    the result, so that no label is mixed.

    Args:
        batch: uint8 (N, 3, S, S); is not changed.
        share: 0..1.
        generator: on the CPU; the only source of chance.

    Returns:
        uint8 (N, 3, S, S).
    """
    draw, amount, down, right = torch.rand(4, generator=generator).tolist()
    if draw >= share:
        return batch
    other = batch[torch.randperm(len(batch), generator=generator)]
    if draw < share / 2:
        return torch.lerp(batch.float(), other.float(), amount / 2).round().to(torch.uint8)
    size = batch.shape[-1]
    side = max(1, round(size * amount**0.5))
    top, left = round((size - side) * down), round((size - side) * right)
    pasted = batch.clone()
    pasted[:, :, top : top + side, left : left + side] = other[
        :, :, top : top + side, left : left + side
    ]
    return pasted
