"""Small ONNX models for tests of signals: they tell how bright a picture is."""

import hashlib
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ml.models.signals.card import SignalCard

SIZE = 32
_FLOAT = TensorProto.FLOAT
# A photo's brightness 0..1, then the share of darkness, as the outputs `bright` and `dark`.
_BRIGHTNESS = (
    helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
    helper.make_node("Reshape", ["mean", "column"], ["bright"]),
    helper.make_node("Sub", ["one", "bright"], ["dark"]),
    helper.make_node("Concat", ["bright", "dark"], ["scores"], axis=1),
)
# That of each of the 16 cells, by color: (photos, 3, boxes).
_CELLS = (
    helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
    helper.make_node("Reshape", ["cells", "boxes"], ["scores"]),
)
# No number for photos brighter than 0.7.
_ROOT = (
    helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
    helper.make_node("Reshape", ["mean", "column"], ["bright"]),
    helper.make_node("Sub", ["ceiling", "bright"], ["below"]),
    helper.make_node("Sqrt", ["below"], ["scores"]),
)


def make_model(
    nodes: Sequence[NodeProto] = _BRIGHTNESS,
    *,
    shape: Sequence[int | str] = ("photos", 3, SIZE, SIZE),
    output: Sequence[int | str] = ("photos", 2),
) -> onnx.ModelProto:
    """A model of these nodes from `pixels` to `scores`."""
    constants = {
        "one": np.array([[1.0]], np.float32),
        "ceiling": np.array([[0.7]], np.float32),
        "column": np.array([-1, 1], np.int64),
        "boxes": np.array([0, 3, -1], np.int64),
    }
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        list(nodes),
        "brightness",
        [helper.make_tensor_value_info("pixels", _FLOAT, list(shape))],
        [helper.make_tensor_value_info("scores", _FLOAT, list(output))],
        [numpy_helper.from_array(v, name) for name, v in constants.items() if name in used],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def brightness() -> bytes:
    """A classifier with the outputs `bright` and `dark`."""
    return make_model().SerializeToString()


def bright_cells() -> bytes:
    """A detector with the classes `red`, `green` and `blue`, first."""
    return make_model(_CELLS, output=("photos", 3, 16)).SerializeToString()


def no_number_in_the_light() -> bytes:
    """A classifier with the output `dark`, which is no number for bright photos."""
    return make_model(_ROOT, output=("photos", 1)).SerializeToString()


def make_card(data: bytes, *classes: str, **changes: object) -> SignalCard:
    """The card of a model; `changes` are of the sections `input` and `output`, or of itself."""
    sections: dict[str, dict[str, object]] = {
        "input": {"size": SIZE},
        "output": {"scores": "scores", "classes": classes or ("bright", "dark")},
    }
    for name, values in changes.items():
        sections[name] = {**sections.get(name, {}), **dict(values)}  # type: ignore[call-overload]  # any mapping
    return SignalCard.model_validate(
        {
            "name": "brightness",
            "model_sha256": hashlib.sha256(data).hexdigest(),
            "source": "made in a test",
            "licence": "CC0-1.0",
            "finds": "bright pictures",
            **sections,
        }
    )


def policy_of(card: SignalCard, **raises: float) -> dict[str, object]:
    """A signal of a policy: outputs with their thresholds."""
    outputs = {name: {"class": "violate", "threshold": value} for name, value in raises.items()}
    return {"model": card.signal_hash, "raises": outputs}
