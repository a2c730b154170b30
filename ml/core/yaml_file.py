"""Strict pydantic models, and YAML files that are validated against them."""

from pathlib import Path
from typing import TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ml.core.errors import ModerationError, SettingsError

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """Immutable model; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_yaml(
    path: Path, *, error: type[ModerationError] = SettingsError, missing: str = ""
) -> object:
    """Parse a YAML file; `missing` is the message if it does not exist (empty: a general one).

    Raises:
        ModerationError: of type `error`; the file cannot be read or is not YAML.
    """
    try:
        return cast("object", yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as cause:
        raise error(missing or f"no file at {path}") from cause
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise error(f"{path} cannot be read as YAML: {cause}") from cause


def validate(
    raw: object, model: type[Model], path: Path, *, error: type[ModerationError] = SettingsError
) -> Model:
    """Validate the content of a file against a model.

    Raises:
        ModerationError: of type `error`; lists each problem with its location in the file.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as cause:
        raise error(f"{path} is not valid; fix:\n{_format_problems(cause)}") from cause


def _format_problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        location = ".".join(map(str, problem["loc"])) or "the file"
        unknown = problem["type"] == "extra_forbidden"
        hint = " (unknown key: remove it or fix its spelling)" if unknown else ""
        lines.append(f"- {location}: {problem['msg']}{hint}")
    return "\n".join(lines)
