import dataclasses

import pytest
import torch
from torch.nn import functional

from ml.models.distillation.networks import IMAGENET_CLASSES, TEACHER_CHANNELS, FeatureMaps
from ml.models.distillation.recipe import LossWeights
from ml.models.distillation.trainer import (
    average_decay,
    distillation_loss,
    mixup_cutmix,
    relation_loss,
)

TERMS = ("stride_8", "stride_16", "stride_32", "pooled", "classes", "relations")


def _only(name: str) -> LossWeights:
    return LossWeights(**{term: float(term == name) for term in TERMS})


def _feature_maps(seed: int, side: int = 16) -> FeatureMaps:
    generator = torch.Generator().manual_seed(seed)
    sides = {"stride_8": side, "stride_16": side // 2, "stride_32": side // 4}
    maps = {
        name: torch.randn(8, TEACHER_CHANNELS[name], s, s, generator=generator)
        for name, s in sides.items()
    }
    pooled = torch.randn(8, TEACHER_CHANNELS["stride_32"], generator=generator)
    logits = torch.randn(8, IMAGENET_CLASSES, generator=generator)
    return FeatureMaps(**maps, pooled=pooled, logits=logits, features=pooled)


@pytest.mark.parametrize("term", ["stride_8", "stride_16", "stride_32", "pooled"])
def test_distillation_loss_of_a_constant_prediction_is_one_at_any_scale(term: str) -> None:
    teacher = _feature_maps(1)
    scaled = dataclasses.replace(teacher, **{term: getattr(teacher, term) * 40 + 7})
    constant = dataclasses.replace(teacher, **{term: torch.zeros_like(getattr(teacher, term))})
    assert float(distillation_loss(constant, scaled, _only(term))) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("term", ["stride_8", "stride_16", "stride_32", "pooled"])
def test_distillation_loss_of_standardized_features_is_zero(term: str) -> None:
    teacher = _feature_maps(2)
    values = getattr(teacher, term)
    dims = [d for d in range(values.ndim) if d != 1]
    standard = (values - values.mean(dims, keepdim=True)) / values.var(
        dims, keepdim=True, correction=0
    ).add(1e-3).sqrt()
    guess = dataclasses.replace(teacher, **{term: standard})
    assert float(distillation_loss(guess, teacher, _only(term))) == pytest.approx(0.0, abs=1e-6)


def test_distillation_loss_of_classes_is_the_kl_divergence_in_nats() -> None:
    teacher, student = _feature_maps(3), _feature_maps(4)
    p, q = teacher.logits.softmax(1), student.logits.softmax(1)
    expected = (p * (p / q).log()).sum(1).mean()
    assert float(distillation_loss(student, teacher, _only("classes"))) == pytest.approx(
        float(expected), rel=1e-4
    )
    assert float(distillation_loss(teacher, teacher, _only("classes"))) == pytest.approx(
        0, abs=1e-5
    )


def test_distillation_loss_pools_larger_teacher_maps_to_the_size_of_the_student() -> None:
    teacher, student = _feature_maps(5, side=16), _feature_maps(6, side=8)
    small = functional.adaptive_avg_pool2d(teacher.stride_8, 8)
    reduced = dataclasses.replace(teacher, stride_8=small)
    at_once = distillation_loss(student, teacher, _only("stride_8"))
    assert float(at_once) == pytest.approx(
        float(distillation_loss(student, reduced, _only("stride_8")))
    )


def test_relation_loss_does_not_depend_on_scale_order_or_number_of_channels() -> None:
    features = torch.randn(16, 6, generator=torch.Generator().manual_seed(9))
    permuted = features[:, torch.randperm(6)] * 30 + 5
    assert float(relation_loss(permuted, features)) == pytest.approx(0.0, abs=1e-4)
    doubled = torch.cat([features, features], dim=1)
    assert float(relation_loss(doubled, features)) == pytest.approx(0.0, abs=1e-4)


def test_relation_loss_grows_where_photos_are_alike_that_are_not_for_the_teacher() -> None:
    teacher = torch.randn(16, 64, generator=torch.Generator().manual_seed(10))
    one_direction = teacher[:, :1] @ torch.ones(1, 64)
    near = teacher + 0.1 * torch.randn(16, 64, generator=torch.Generator().manual_seed(11))
    assert float(relation_loss(near, teacher)) < 0.2
    assert float(relation_loss(one_direction, teacher)) > 1


def test_distillation_loss_is_the_weighted_sum_of_its_terms() -> None:
    teacher, student = _feature_maps(7), _feature_maps(8)
    alone = [float(distillation_loss(student, teacher, _only(term))) for term in TERMS]
    weights = LossWeights(**dict(zip(TERMS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), strict=True)))
    total = float(distillation_loss(student, teacher, weights))
    assert total == pytest.approx(sum(n * a for n, a in enumerate(alone, start=1)), rel=1e-5)


def _batch() -> torch.Tensor:
    shades = torch.arange(4, dtype=torch.uint8) * 60
    return shades.view(4, 1, 1, 1).expand(4, 3, 16, 16).clone()


def _mixed(share: float, seeds: int) -> list[torch.Tensor]:
    return [
        mixup_cutmix(_batch(), share, torch.Generator().manual_seed(seed)) for seed in range(seeds)
    ]


def test_mixup_cutmix_with_share_zero_changes_no_batch() -> None:
    assert all(torch.equal(mixed, _batch()) for mixed in _mixed(0.0, 30))


def test_mixup_cutmix_blends_or_pastes_deterministically_by_seed() -> None:
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


def test_mixup_cutmix_does_not_change_its_input() -> None:
    given = _batch()
    for seed in range(20):
        mixup_cutmix(given, 1.0, torch.Generator().manual_seed(seed))
    assert torch.equal(given, _batch())


def test_average_decay_is_low_first_and_the_maximum_later() -> None:
    assert average_decay(0.9, 1) == 2 / 11
    assert average_decay(0.9, 10_000) == 0.9
