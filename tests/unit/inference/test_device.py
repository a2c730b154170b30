import pytest
import torch

from ml.errors import SettingsError
from ml.inference.device import describe, resolve


def test_auto_takes_what_there_is() -> None:
    assert resolve("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve("cpu") == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_refused_with_the_remedy() -> None:
    absent = f"cuda:{max(7, torch.cuda.device_count())}"
    with pytest.raises(SettingsError, match=rf"MODERATION_DEVICE={absent}.*set it to auto or cpu"):
        resolve(absent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(SettingsError, match="shows 0 CUDA"):
        resolve("cuda")


def test_the_cpu_says_its_threads_and_number_type() -> None:
    shown = describe(torch.device("cpu"))
    assert f"{torch.get_num_threads()} threads" in shown
    assert shown.endswith(("bfloat16", "float32"))
