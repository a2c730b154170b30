"""The backend `torch`: the reference on a CPU, and the only one on a GPU."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet

from ml.core.computation import NumberType
from ml.models.checkpoint import move_network
from ml.models.inference.backend import Logits, Pixels
from ml.vision.images.preprocess import Preprocessing, normalize

DTYPES: dict[NumberType, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchBackend:
    """A network on a device; the network that it gets is changed."""

    def __init__(
        self,
        network: ResNet,
        spec: Preprocessing,
        *,
        device: torch.device,
        number_type: NumberType,
    ) -> None:
        self._spec, self._device, self._dtype = spec, device, DTYPES[number_type]
        fused = fuse_batch_norm(network).to(dtype=self._dtype)
        self._network: nn.Module = move_network(fused, device)

    def logits(self, batch: Pixels) -> Logits:
        """As `InferenceBackend.logits`."""
        with torch.inference_mode():
            on_device = torch.from_numpy(batch).to(self._device)
            inputs = normalize(on_device, self._spec, dtype=self._dtype)
            logits: Logits = self._network(inputs).float().cpu().numpy()
        return logits


def preferred_number_type(device: torch.device) -> NumberType:
    """bfloat16 where the hardware is faster with it, else float32."""
    if device.type == "cuda":
        fast_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without AMX, oneDNN's bfloat16 convolutions are slower than its float32 ones: 44 versus
        # 27 ms per photo of 224 pixels on one core of a Xeon that has avx512_bf16 only.
        fast_bf16 = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - torch has no public name for it
    return "bfloat16" if fast_bf16 else "float32"


def fuse_batch_norm(network: ResNet) -> ResNet:
    """Fold each batch norm into the convolution before it: same function, fewer operations."""
    for module in list(network.modules()):
        for (name, first), (next_name, second) in pairwise(list(module.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, next_name, nn.Identity())
    return network
