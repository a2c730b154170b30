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
        lines = [f"{path} cannot be used; put right:"]
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"]) or "the file"
            lines.append(f"- {place}: {problem['msg']}")
        raise SettingsError("\n".join(lines)) from error
