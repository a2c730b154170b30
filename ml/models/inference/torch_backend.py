"""The backend `torch`: the reference on a CPU, and the only one on a GPU."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.core.computation import NumberType
from ml.core.errors import ComputationUnavailable
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import move_network
from ml.models.inference.backend import Logits, Pixels
from ml.models.inference.batch_buffers import BatchBuffers
from ml.models.inference.streams import Forward, Streams, create_streams
from ml.vision.images.preprocess import Preprocessing, channel_values, normalize

DTYPES: dict[NumberType, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchBackend:
    """A network on a device; the network that it gets is changed.

    `streams` default to the device's own.

    Raises:
        ComputationUnavailable: the GPU has too little memory for the batch size.
    """

    def __init__(
        self,
        network: Classifier,
        spec: Preprocessing,
        *,
        device: torch.device,
        number_type: NumberType,
        batch_size: int,
        streams: Streams | None = None,
        with_features: bool = False,
    ) -> None:
        streams = streams or create_streams(device)
        self.ahead = streams.buffers - 1
        try:
            self._buffers = BatchBuffers(
                _on_device(network, spec, device, DTYPES[number_type], with_features=with_features),
                (batch_size, 3, spec.crop, spec.crop),
                columns=network.head.out_features
                + (network.head.in_features if with_features else 0),
                device=device,
                streams=streams,
            )
        except torch.OutOfMemoryError as error:
            raise ComputationUnavailable(
                f"the GPU has too little free memory for batches of {batch_size} photos; lower "
                "MODERATION_BATCH_SIZE, or let fewer tasks share the GPU"
            ) from error

    def submit(self, photos: Sequence[Pixels]) -> Callable[[], Logits]:
        """As `InferenceBackend.submit`."""
        return self._buffers.submit(photos)


def _on_device(
    network: Classifier,
    spec: Preprocessing,
    device: torch.device,
    dtype: torch.dtype,
    *,
    with_features: bool,
) -> Forward:
    """Move a network to a device; its function from pixels to float32 outputs, both there."""
    fused = fuse_batch_norm(network).to(dtype=dtype)
    moved = move_network(_WithFeatures(fused) if with_features else fused, device)
    # A CUDA graph cannot copy them to the device.
    channels = channel_values(spec, device)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            inputs = normalize(pixels, spec, dtype=dtype, channels=channels)
            outputs: torch.Tensor = moved(inputs)
            return outputs.float()

    return forward


class _WithFeatures(nn.Module):
    """A network whose outputs are its logits, then its features: (N, classes + F)."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits and features."""
        features = self._network.features(images)
        return torch.cat([self._network.head(features), features], dim=1)


def preferred_number_type(device: torch.device) -> NumberType:
    """bfloat16 where the hardware is faster with it, else float32."""
    if device.type == "cuda":
        fast_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without AMX, oneDNN's bfloat16 convolutions are slower than its float32 ones: 44 versus
        # 27 ms per photo of 224 pixels on one core of a Xeon that has avx512_bf16 only.
        fast_bf16 = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - torch has no public name for it
    return "bfloat16" if fast_bf16 else "float32"


def fuse_batch_norm(network: Classifier) -> Classifier:
    """Fold each batch norm into the convolution before it: same function, fewer operations."""
    for module in list(network.modules()):
        for (name, first), (next_name, second) in pairwise(list(module.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, next_name, nn.Identity())
    return network
