"""Strict pydantic models, and the one reader of YAML and JSON files that people or programs edit.

The reader accepts plain YAML alone: unique text keys, no anchors, tags, merge keys or unquoted
dates. What a file can cost is bounded by its size, and every failure names file, line and remedy.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ml.core.errors import ModerationError, SettingsError

MAX_BYTES = 128 * 1024
_MAX_DEPTH = 20
_MAX_DIGITS = 40  # characters of a number
_MAX_INTEGER = 2**63 - 1  # as the database's bigint
_MAX_PROBLEMS = 20
_NO_TEXT = re.compile("[\\0\\ud800-\\udfff]")  # what UTF-8 and the database's text cannot hold
_TAG = "tag:yaml.org,2002:"
# The parser of libyaml, where PyYAML was built with it: ten times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """Immutable model; an unknown key, infinity and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def drop_removed(*names: str) -> Callable[[object], object]:
    """A validator that ignores settings of earlier releases: stored policies may have them."""

    def validate(values: object) -> object:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if name not in names}

    return validate


def load_yaml(
    path: Path, *, error: type[ModerationError] = SettingsError, missing: str = ""
) -> object:
    """Parse a YAML file; `missing` is the message if it does not exist (empty: a general one).

    Raises:
        ModerationError: of type `error`; the file cannot be read or is not plain YAML.
    """
    return _read(path, error, missing)[1]


def load_model(
    path: Path,
    model: type[Model],
    *,
    error: type[ModerationError] = SettingsError,
    missing: str = "",
    **extra: object,
) -> Model:
    """Parse a YAML file and validate it; `extra` are values that the file must not name itself.

    Raises:
        ModerationError: of type `error`; as `load_yaml`, or lists each invalid value with its line.
    """
    root, raw = _read(path, error, missing)
    if extra and not (isinstance(raw, dict) and raw.keys().isdisjoint(extra)):
        raise error(f"{path} must be a YAML mapping without {', '.join(f'`{n}`' for n in extra)}")
    try:
        return model.model_validate({**raw, **extra} if isinstance(raw, dict) else raw)
    except ValidationError as cause:
        raise error(f"{path} is not valid; fix:\n{_format_problems(cause, root)}") from cause
    except (ArithmeticError, RecursionError) as cause:  # a regular expression beyond all limits
        raise error(f"{path} is not valid: {cause}; make the value smaller") from cause


def dump_yaml(content: object) -> str:
    """YAML text, in the order of the content, whatever its letters."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def load_json(text: str | bytes, *, source: object, error: type[ModerationError]) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; a key that occurs twice, NaN and infinity are errors.

    Raises:
        ModerationError: of type `error`; names `source`, the line where it is known, and the fix.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as cause:
        raise error(f"{source} is not valid JSON: {cause}; restore the file") from cause


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in pairs:
        if name in unique:
            raise ValueError(f"the key {name[:100]!r} occurs twice")
        unique[name] = value
    return unique


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _read(path: Path, error: type[ModerationError], missing: str) -> tuple[Node | None, object]:
    text = ""
    try:
        text = _read_text(path)
        root = _compose(text)
        return root, None if root is None else _value(root, SafeConstructor())
    except FileNotFoundError as cause:
        raise error(missing or f"no file at {path}") from cause
    except UnicodeDecodeError as cause:
        line = cause.object.count(b"\n", 0, cause.start) + 1
        raise error(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from cause
    except OSError as cause:
        message = f"{path} cannot be read: {cause.strerror}; name a readable file, or restore it"
        raise error(message) from cause
    except yaml.YAMLError as cause:
        raise error(f"{path}, {_format_yaml_error(cause, text)}") from cause


def _read_text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise OSError(0, "not a file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(0, f"larger than {MAX_BYTES:,} bytes")
    return data.decode("utf-8-sig")


def _compose(text: str) -> Node | None:
    """The tree of nodes. The events are checked first: composing is recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _problem(event, "anchors and aliases are not supported", "write the value out")
        if tag := getattr(event, "tag", None):
            raise _problem(event, f"the tag {tag[:100]} is not supported", "remove it")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _problem(event, f"nested deeper than {_MAX_DEPTH} levels", "flatten it")
    root: Node | None = yaml.compose(text, Loader=_Loader)
    return root


def _value(node: Node, constructor: SafeConstructor) -> object:
    if isinstance(node, MappingNode):
        return _mapping(node, constructor)
    if isinstance(node, SequenceNode):
        return [_value(item, constructor) for item in node.value]
    return _scalar(node, constructor)


def _mapping(node: MappingNode, constructor: SafeConstructor) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.tag != f"{_TAG}str":
            raise _problem(key, "a key that is no text", "put it in quotes")
        if _NO_TEXT.search(key.value):
            raise _problem(key, "a character that is no text", "remove it")
        if key.value in found:
            raise _problem(key, f"the key `{key.value[:100]}` occurs twice", "remove one of both")
        found[key.value] = _value(value, constructor)
    return found


def _scalar(node: Node, constructor: SafeConstructor) -> object:
    kind = node.tag.removeprefix(_TAG)
    if kind == "timestamp":
        raise _problem(node, "a date or time without quotes", "put it in quotes")
    if kind in ("int", "float") and len(node.value) > _MAX_DIGITS:
        raise _problem(node, "a number with too many digits", "shorten it")
    try:
        value: object = constructor.construct_object(node)
    except ValueError as cause:
        raise _problem(node, f"{cause}", "correct the value, or put it in quotes") from cause
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise _problem(node, "a number that is too large", "write a smaller one")
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise _problem(node, "a character that is no text", "remove it")
    return value


def _problem(place: Node | yaml.Event, problem: str, remedy: str) -> yaml.MarkedYAMLError:
    mark: Any = place.start_mark  # of libyaml's type or PyYAML's
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark, note=remedy)


def _format_yaml_error(error: yaml.YAMLError, text: str) -> str:
    """Line, problem and remedy of our own problems and of the parser's."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.encode()[: error.position].count(b"\n")
        return f"line {line + 1}: {error.reason}; remove this character"
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return f"line 1: {error}; correct it"
    lines = text.splitlines() or [""]
    line = min(mark.line, len(lines) - 1)  # the parser counts a line after the last one
    tab = "\t" in lines[line]
    remedy = "replace tabs by spaces" if tab else "correct this line, or restore the file"
    return f"line {line + 1}: {problem}; {getattr(error, 'note', None) or remedy}"


def _format_problems(error: ValidationError, root: Node | None) -> str:
    lines = []
    for problem in error.errors()[:_MAX_PROBLEMS]:
        location = ".".join(map(str, problem["loc"])) or "the file"
        unknown = problem["type"] == "extra_forbidden"
        hint = " (unknown key: remove it or fix its spelling)" if unknown else ""
        lines.append(f"- {location}: {problem['msg']}{hint} (line {_line(root, problem['loc'])})")
    return "\n".join(lines)


def _line(root: Node | None, location: Sequence[int | str]) -> int:
    """The line of the innermost part of a location that the file has."""
    node, line = root, 1
    for part in location:
        children = _children(node)
        if part in children:
            node, line = children[part]
    return line


def _children(node: Node | None) -> dict[int | str, tuple[Node, int]]:
    if isinstance(node, MappingNode):
        return {key.value: (value, key.start_mark.line + 1) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return {n: (item, item.start_mark.line + 1) for n, item in enumerate(node.value)}
    return {}
