"""A model is tried in a process of its own, whose end is no error of this one."""

import pytest
from onnx import helper

from ml.core.errors import SignalError
from ml.models.signals.trial import run_trial
from tests.support.signal_models import SIZE, brightness, make_card, make_model


def test_usable_model_costs_some_processor_time() -> None:
    data = brightness()
    assert 0 <= run_trial(data, make_card(data)) < 1


def test_unusable_model_is_refused_with_its_reason() -> None:
    data = brightness()
    with pytest.raises(SignalError, match="no probabilities"):
        run_trial(data, make_card(data, input={"scale": 1}))


def test_model_that_wants_all_memory_is_refused() -> None:
    sides = helper.make_tensor("sides", 7, [1], [2**36])
    nodes = [
        helper.make_node("ConstantOfShape", ["sides"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["zero"], keepdims=0),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Add", ["mean", "zero"], ["sum"]),
        helper.make_node("Reshape", ["sum", "column"], ["scores"]),
    ]
    model = make_model(nodes, output=("photos", 1))
    model.graph.initializer.append(sides)
    data = model.SerializeToString()
    with pytest.raises(SignalError, match=r"cannot be computed|trying it failed"):
        run_trial(data, make_card(data, "bright"))


def test_model_that_takes_too_long_is_refused() -> None:
    nodes = [helper.make_node("AveragePool", ["pixels"], ["at_0"], kernel_shape=[1, 1])]
    nodes += [
        helper.make_node("Conv", [f"at_{i}", "filter"], [f"at_{i + 1}"], pads=[15, 15, 16, 16])
        for i in range(60)
    ]
    nodes += [
        helper.make_node("ReduceMean", ["at_60"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["scores"]),
    ]
    model = make_model(nodes, shape=("n", 3, 512, 512), output=("photos", 1))
    weights = helper.make_tensor("filter", 1, [3, 3, SIZE, SIZE], [1 / SIZE**2] * (9 * SIZE**2))
    model.graph.initializer.append(weights)
    data = model.SerializeToString()
    with pytest.raises(SignalError, match=r"trying it failed.*SIGPROF"):
        run_trial(data, make_card(data, "bright", input={"size": 512}), cpu_seconds=4.0)
