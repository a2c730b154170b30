"""How far the student's view is from the teacher's."""

import torch
from torch.nn import functional

from ml.distillation.recipe import LossWeights
from ml.distillation.seen import Seen

_EPS = 1e-3  # variance under which a channel is silent: scaled up it would be noise
_MAPS = ("stride_8", "stride_16", "stride_32")


def distillation_loss(student: Seen, teacher: Seen, weights: LossWeights) -> torch.Tensor:
    """The weighted sum of five terms, a scalar.

    At each stride and for the pooled features: mean squared error to the teacher's values, scaled
    to mean 0 and variance 1 of each channel in the batch, so that a constant guess has loss 1
    (features after Romero et al. 2014, arXiv:1412.6550). For the classes: the Kullback-Leibler
    divergence of the predicted from the teacher's probabilities, in nats (Hinton et al. 2015,
    arXiv:1503.02531). A student that sees smaller squares has smaller maps; the teacher's are
    averaged to their size.
    """
    total = weights.pooled * functional.mse_loss(student.pooled, _standard(teacher.pooled))
    total = total + weights.classes * functional.kl_div(
        functional.log_softmax(student.logits, dim=1),
        functional.log_softmax(teacher.logits, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    for name in _MAPS:
        guess, seen = getattr(student, name), getattr(teacher, name)
        if seen.shape[-1] != guess.shape[-1]:
            seen = functional.adaptive_avg_pool2d(seen, guess.shape[-2:])
        total = total + getattr(weights, name) * functional.mse_loss(guess, _standard(seen))
    return total


def _standard(values: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(values, None, None, training=True, eps=_EPS)
