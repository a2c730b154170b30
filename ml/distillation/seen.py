"""What a network sees in a batch of photos, in the form in which teacher and student compare."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Seen:
    """Feature maps (N, C, H, W) at three strides, pooled features (N, F), logits (N, 1000).

    Of a student the channels are those that it predicts of the teacher's.
    """

    stride_8: torch.Tensor
    stride_16: torch.Tensor
    stride_32: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor


# Channels of EfficientNet-Lite0 before the stride grows (Tan and Le 2019, arXiv:1905.11946,
# table 1), and of ResNet18's stages at the same strides (He et al. 2015, arXiv:1512.03385,
# table 1).
TEACHER_CHANNELS = {"stride_8": 40, "stride_16": 112, "stride_32": 1280}
STUDENT_CHANNELS = {"stride_8": 128, "stride_16": 256, "stride_32": 512}
IMAGENET_CLASSES = 1000
