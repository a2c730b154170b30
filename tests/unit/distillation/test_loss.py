import dataclasses

import pytest
import torch
from torch.nn import functional

from ml.distillation.loss import distillation_loss
from ml.distillation.recipe import LossWeights
from ml.distillation.seen import IMAGENET_CLASSES, TEACHER_CHANNELS, Seen

TERMS = ("stride_8", "stride_16", "stride_32", "pooled", "classes")


def _only(name: str) -> LossWeights:
    return LossWeights(**{term: float(term == name) for term in TERMS})


def _seen(seed: int, side: int = 16) -> Seen:
    chance = torch.Generator().manual_seed(seed)
    sides = {"stride_8": side, "stride_16": side // 2, "stride_32": side // 4}
    maps = {
        name: torch.randn(8, TEACHER_CHANNELS[name], s, s, generator=chance)
        for name, s in sides.items()
    }
    pooled = torch.randn(8, TEACHER_CHANNELS["stride_32"], generator=chance)
    return Seen(**maps, pooled=pooled, logits=torch.randn(8, IMAGENET_CLASSES, generator=chance))


@pytest.mark.parametrize("term", ["stride_8", "stride_16", "stride_32", "pooled"])
def test_a_constant_guess_of_features_costs_one_whatever_their_scale(term: str) -> None:
    teacher = _seen(1)
    scaled = dataclasses.replace(teacher, **{term: getattr(teacher, term) * 40 + 7})
    nothing = dataclasses.replace(teacher, **{term: torch.zeros_like(getattr(teacher, term))})
    assert float(distillation_loss(nothing, scaled, _only(term))) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("term", ["stride_8", "stride_16", "stride_32", "pooled"])
def test_the_standardised_features_cost_nothing(term: str) -> None:
    teacher = _seen(2)
    values = getattr(teacher, term)
    dims = [d for d in range(values.ndim) if d != 1]
    standard = (values - values.mean(dims, keepdim=True)) / values.var(
        dims, keepdim=True, correction=0
    ).add(1e-3).sqrt()
    guess = dataclasses.replace(teacher, **{term: standard})
    assert float(distillation_loss(guess, teacher, _only(term))) == pytest.approx(0.0, abs=1e-6)


def test_the_classes_term_is_the_divergence_in_nats() -> None:
    teacher, student = _seen(3), _seen(4)
    p, q = teacher.logits.softmax(1), student.logits.softmax(1)
    expected = (p * (p / q).log()).sum(1).mean()
    assert float(distillation_loss(student, teacher, _only("classes"))) == pytest.approx(
        float(expected), rel=1e-4
    )
    assert float(distillation_loss(teacher, teacher, _only("classes"))) == pytest.approx(
        0, abs=1e-5
    )


def test_the_teachers_larger_maps_are_averaged_to_the_students_size() -> None:
    teacher, student = _seen(5, side=16), _seen(6, side=8)
    small = functional.adaptive_avg_pool2d(teacher.stride_8, 8)
    reduced = dataclasses.replace(teacher, stride_8=small)
    at_once = distillation_loss(student, teacher, _only("stride_8"))
    assert float(at_once) == pytest.approx(
        float(distillation_loss(student, reduced, _only("stride_8")))
    )


def test_terms_add_up_by_their_weights() -> None:
    teacher, student = _seen(7), _seen(8)
    alone = [float(distillation_loss(student, teacher, _only(term))) for term in TERMS]
    weights = LossWeights(**dict(zip(TERMS, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True)))
    total = float(distillation_loss(student, teacher, weights))
    assert total == pytest.approx(sum(n * a for n, a in enumerate(alone, start=1)), rel=1e-5)
