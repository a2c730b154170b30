import torch

from benchmarks import calibration


def test_images_per_second_uses_all_cores_and_restores_torch_threads() -> None:
    threads = torch.get_num_threads()
    assert calibration.images_per_second() > 0
    assert torch.get_num_threads() == threads
