"""A committed YAML file -> a checked pydantic model, or a message that says what to put right."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ml.errors import SettingsError

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path, model: type[M]) -> M:
    """Read a file as `model`.

    Raises:
        SettingsError: not readable, not YAML, an unknown key or an impossible value; says which.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(f"{path} cannot be used; put right:\n{problems(error)}") from error


def problems(error: ValidationError) -> str:
    """A line for each problem: its place in the file, and what is wrong."""
    places = ((".".join(map(str, p["loc"])) or "the file", p["msg"]) for p in error.errors())
    return "\n".join(f"- {place}: {message}" for place, message in places)
