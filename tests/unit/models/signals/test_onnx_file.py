"""Files of models are checked before anything of them is run."""

import pickle
from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from ml.core.errors import SignalError
from ml.models.signals import onnx_file
from ml.models.signals.onnx_file import check_file
from tests.support.signal_models import SIZE, bright_cells, brightness, make_card, make_model

CARD = make_card(brightness())


def check(model: onnx.ModelProto) -> bool:
    return check_file(model.SerializeToString(), CARD)


def test_sound_model_takes_batches_if_its_first_side_is_free() -> None:
    assert check(make_model())
    assert check_file(bright_cells(), CARD)
    assert not check(make_model(shape=(1, 3, SIZE, SIZE), output=(1, 2)))
    assert check(make_model(shape=("n", 3, "height", "width")))


@pytest.mark.parametrize(
    "data",
    [
        brightness()[:-40],
        b"",
        b"\x89PNG\r\n\x1a\n",
        pickle.dumps({"weights": [1.0]}),
        b"<html>Not found</html>",
    ],
    ids=["truncated", "empty", "png", "pickle", "html"],
)
def test_file_that_is_no_whole_model_is_refused(data: bytes) -> None:
    with pytest.raises(SignalError, match="not a whole ONNX model"):
        check_file(data, CARD)


def test_file_over_the_size_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    with pytest.raises(SignalError, match="at most 100"):
        check_file(b"x" * 101, CARD)


def with_external_data(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def with_external_attribute(model: onnx.ModelProto) -> None:
    """The tensor is in an attribute of a node, inside a branch of another one."""
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    value.ClearField("float_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="secrets")
    inner = helper.make_node("Constant", [], ["inner"], value=value)
    info = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])
    branch = helper.make_graph([inner], "branch", [], [info])
    choice = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(yes)
    model.graph.node.append(choice)


def with_custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def with_function(model: onnx.ModelProto) -> None:
    opset = helper.make_opsetid("", 17)
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "Act", ["x"], ["y"], [node], [opset]))
    model.opset_import.append(helper.make_opsetid("own", 1))


def with_loop(model: onnx.ModelProto) -> None:
    """A loop of 2**62 rounds."""
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, None)
    number = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    same = [
        helper.make_node("Identity", ["going"], ["still"]),
        helper.make_node("Identity", ["state"], ["next"]),
    ]
    still = helper.make_tensor_value_info("still", TensorProto.BOOL, [])
    after = helper.make_tensor_value_info("next", TensorProto.FLOAT, None)
    body = helper.make_graph(same, "body", [number, going, state], [still, after])
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [2**62])
    model.graph.initializer.append(rounds)
    model.graph.node.append(helper.make_node("Loop", ["rounds", "", "mean"], ["end"], body=body))


def with_two_inputs(model: onnx.ModelProto) -> None:
    more = helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])
    model.graph.input.append(more)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_external_data, "weights in another file"),
        (with_external_attribute, "weights in another file"),
        (with_custom_operator, r"com\.example\.ReduceMean, which is not ONNX's own"),
        (with_function, "defines the operator Act"),
        (with_loop, "Loop, whose cost nothing bounds"),
        (with_two_inputs, "2 inputs, not one"),
    ],
)
def test_what_reaches_beyond_the_file_is_refused(
    change: Callable[[onnx.ModelProto], None], words: str
) -> None:
    model = make_model()
    change(model)
    with pytest.raises(SignalError, match=words):
        check(model)


@pytest.mark.parametrize(
    "shape",
    [
        ("photos", 3, 64, 64),
        ("photos", SIZE, SIZE, 3),
        ("photos", 1, SIZE, SIZE),
        (7, 3, SIZE, SIZE),
        ("photos", 3, SIZE),
    ],
)
def test_input_that_is_not_the_cards_is_refused(shape: tuple[int | str, ...]) -> None:
    with pytest.raises(SignalError, match="correct `size` and `layout`"):
        check(make_model(shape=shape))


def test_input_of_whole_numbers_is_refused() -> None:
    model = make_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    with pytest.raises(SignalError, match="the model's is of type UINT8"):
        check(model)


def test_output_that_the_model_lacks_is_refused_with_those_that_it_has() -> None:
    card = make_card(brightness(), output={"scores": "logits"})
    with pytest.raises(SignalError, match="no output 'logits': name one of scores"):
        check_file(brightness(), card)
