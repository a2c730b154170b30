"""Check the file of a signal's model before anything of it is run.

ONNX is data: protocol buffers, no pickle. What could reach beyond the file is refused: tensors in
other files, operators of other libraries, and loops, whose cost nothing bounds.
"""

from collections.abc import Iterator

import onnx
from google.protobuf.message import (  # type: ignore[import-untyped]  # it ships no types
    DecodeError,
    Message,
)
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from ml.core.errors import SignalError
from ml.models.signals.card import SignalCard
from ml.vision.screens.signals import SignalInput

MAX_BYTES = 256 * 2**20
_DOMAINS = {"", "ai.onnx"}  # of ONNX's own operators
_UNBOUNDED = {"Loop", "Scan"}


def check_file(data: bytes, card: SignalCard) -> bool:
    """Check that a file is a model whose input and output the card describes.

    Returns whether it takes batches of any size; else only single photos.

    Raises:
        SignalError: it is not, or it could reach beyond the file; says what to do.
    """
    if len(data) > MAX_BYTES:
        raise SignalError(f"the model has {len(data):,} bytes, at most {MAX_BYTES:,} are allowed")
    try:
        model = onnx.load_model_from_string(data)
        for part in _walk(model):  # first: the checker itself would look for other files
            _check_part(part)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise SignalError(f"this is not a whole ONNX model: {_first_line(error)}") from error
    return _check_tensors(model, card)


def _walk(message: Message) -> Iterator[Message]:
    """A message and all that it contains."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from _walk(part)


def _check_part(part: Message) -> None:
    if isinstance(part, TensorProto) and (
        part.external_data or part.data_location == TensorProto.EXTERNAL
    ):
        raise SignalError("the model keeps weights in another file: export it as a single file")
    if isinstance(part, FunctionProto):
        raise SignalError(f"the model defines the operator {part.name}: export it inlined")
    if isinstance(part, NodeProto):
        if part.domain not in _DOMAINS:
            operator = f"{part.domain}.{part.op_type}"
            raise SignalError(
                f"the model needs {operator}, which is not ONNX's own: export it "
                "with standard operators"
            )
        if part.op_type in _UNBOUNDED:
            raise SignalError(f"the model has a {part.op_type}, whose cost nothing bounds")


def _check_tensors(model: ModelProto, card: SignalCard) -> bool:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [tensor for tensor in model.graph.input if tensor.name not in weights]
    if len(inputs) != 1:
        raise SignalError(f"the model has {len(inputs)} inputs, not one")
    names = [tensor.name for tensor in model.graph.output]
    if card.output.scores not in names:
        raise SignalError(
            f"the model has no output {card.output.scores!r}: name one of {', '.join(names)}"
        )
    return _check_input(inputs[0], card.input)


def _check_input(tensor: ValueInfoProto, spec: SignalInput) -> bool:
    found, kind = _shape(tensor), tensor.type.tensor_type.elem_type
    sides = [3, spec.size, spec.size] if spec.layout == "NCHW" else [spec.size, spec.size, 3]
    fits = len(found) == 1 + len(sides) and all(
        side in (None, wanted) for side, wanted in zip(found, [1, *sides], strict=True)
    )
    if not fits or kind != TensorProto.FLOAT:
        raise SignalError(
            f"the card describes the input as float32 {[1, *sides]}, the model's is of type "
            f"{TensorProto.DataType.Name(kind)}, {found}: correct `size` and `layout` of the card, "
            "or export the model with such an input"
        )
    return found[0] is None


def _shape(tensor: ValueInfoProto) -> list[int | None]:
    """The sides of a tensor; None where they are free."""
    dims = tensor.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
