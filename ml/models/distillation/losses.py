"""Operations of distillation: feature maps, loss, averaged weights, mixup and CutMix."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ml.models.distillation.recipe import LossWeights

_WARM_UP = 10.0  # limits the decay in the first batches, see EmaWeights
_MIN_VARIANCE = 1e-3  # channels below it count as constant: standardised they would be noise
_MAPS = ("stride_8", "stride_16", "stride_32")

# Channels of EfficientNet-Lite0 before the stride doubles (Tan and Le 2019, arXiv:1905.11946,
# table 1), and of ResNet18's stages at the same strides (He et al. 2015, arXiv:1512.03385,
# table 1).
TEACHER_CHANNELS = {"stride_8": 40, "stride_16": 112, "stride_32": 1280}
STUDENT_CHANNELS = {"stride_8": 128, "stride_16": 256, "stride_32": 512}
IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class FeatureMaps:
    """Feature maps (N, C, H, W) at three strides, pooled features (N, F), logits (N, 1000).

    A student's are its predictions of the teacher's, with the teacher's channels.
    """

    stride_8: torch.Tensor
    stride_16: torch.Tensor
    stride_32: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor


class EmaWeights:
    """Exponential moving average of a network's state dict, including batch norm's statistics.

    Args:
        network: is read, never changed.
        decay: share of the previous average in the next one, 0..1. After n batches it is at most
            (1 + n) / (10 + n): otherwise the random initial weights would dominate for long.
        state: an average to continue from; empty: start with the network's state.
    """

    def __init__(self, network: nn.Module, decay: float, state: dict[str, torch.Tensor]) -> None:
        self._network = network
        self._decay = decay
        self.state = state or {n: t.detach().clone() for n, t in network.state_dict().items()}

    def after_batch(self, batches: int) -> None:
        """Add the network's state to the average; `batches` counts those done in the run."""
        decay = min(self._decay, (1.0 + batches) / (_WARM_UP + batches))
        with torch.no_grad():
            for name, tensor in self._network.state_dict().items():
                if tensor.is_floating_point():
                    self.state[name].lerp_(tensor, 1.0 - decay)
                else:
                    self.state[name].copy_(tensor)


def mixup_cutmix(batch: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Mix a batch with a permutation of itself, with probability `share`.

    Half of the mixed batches are blended (mixup, Zhang et al. 2017, arXiv:1710.09412), in the other
    half a square of uniformly drawn area is pasted (CutMix, Yun et al. 2019, arXiv:1905.04899). The
    targets come from the teacher's output for the mixed batch, so that no label has to be mixed.

    Args:
        batch: uint8 (N, 3, S, S); is not changed.
        share: 0..1.
        generator: on the CPU; the only source of randomness.

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


def distillation_loss(
    student: FeatureMaps, teacher: FeatureMaps, weights: LossWeights
) -> torch.Tensor:
    """The weighted sum of five terms, a scalar.

    Three strides and the pooled features: mean squared error to the teacher's values, standardised
    per channel over the batch, so that a constant prediction has loss 1 (after Romero et al. 2014,
    arXiv:1412.6550). Classes: the Kullback-Leibler divergence between the teacher's and the
    student's probabilities, in nats (Hinton et al. 2015, arXiv:1503.02531). Where the student's
    maps are smaller, since its input is, the teacher's are average-pooled to their size.
    """
    total = weights.pooled * functional.mse_loss(student.pooled, _standardise(teacher.pooled))
    total = total + weights.classes * functional.kl_div(
        functional.log_softmax(student.logits, dim=1),
        functional.log_softmax(teacher.logits, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    for name in _MAPS:
        prediction, target = getattr(student, name), getattr(teacher, name)
        if target.shape[-1] != prediction.shape[-1]:
            target = functional.adaptive_avg_pool2d(target, prediction.shape[-2:])
        error = functional.mse_loss(prediction, _standardise(target))
        total = total + getattr(weights, name) * error
    return total


def _standardise(values: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(values, None, None, training=True, eps=_MIN_VARIANCE)
