"""Which device the model runs on, and what it is called."""

import torch

from ml.errors import SettingsError


def resolve(setting: str) -> torch.device:
    """The device of a setting: `auto` (CUDA where there is one, else CPU), `cpu`, `cuda`, `cuda:N`.

    Raises:
        SettingsError: a CUDA device is named that is not there.
    """
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(setting)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"MODERATION_DEVICE={setting}, but this machine shows {torch.cuda.device_count()} CUDA "
            "devices; set it to auto or cpu, or mend the driver"
        )
    return device


def describe(device: torch.device) -> str:
    """One line for the operator: the GPU's name and memory, or the CPU's threads and type."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"GPU {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    kind = "bfloat16" if fast_type(device) is torch.bfloat16 else "float32"
    return f"CPU, {torch.get_num_threads()} threads, {kind}"


def fast_type(device: torch.device) -> torch.dtype:
    """The number type to compute in: bfloat16 where the hardware gains by it, else float32."""
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without AMX oneDNN's bfloat16 convolutions are slower than its float32 ones: 44 against
        # 27 ms a photo of 224 pixels on one core of a Xeon that has avx512_bf16 alone.
        has = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - torch has no public name for it
    return torch.bfloat16 if has else torch.float32
