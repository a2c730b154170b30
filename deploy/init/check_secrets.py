"""Container entry check: reject secrets that are missing, empty, examples or guessable."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from secret_files import NAMES, VARIABLES, find_weaknesses

REMEDY = "Generate them with `python3 deploy/init/make_secrets.py` (docs/deployment.md, Secrets)."


def find_problems(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each rejected secret, without its value.

    Args:
        folder: where the files are mounted; existing files are checked.
        environment: variables that hold secrets are checked if set.
    """
    for name in NAMES:
        file = folder / name
        if file.exists():
            yield from (f"{file} {why}" for why in _file_problems(file))
    for name in VARIABLES:
        if name in environment:
            yield from (f"{name} {why}" for why in find_weaknesses(environment[name]))
    yield from _missing_settings(folder, environment)


def _file_problems(file: Path) -> list[str]:
    try:
        return find_weaknesses(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return [f"cannot be read: {type(error).__name__}"]


def _missing_settings(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings without which no process of the deployment can work."""

    def is_set(name: str) -> bool:
        return name in environment or (folder / name.lower()).exists()

    if not is_set("MODERATION_DATABASE_URL"):
        yield "MODERATION_DATABASE_URL is set neither as a file nor as a variable"
    if not is_set("MODERATION_S3_ACCESS_KEY") and "MODERATION_S3_ENDPOINT_URL" not in environment:
        yield "the keys of the bucket are set neither as files nor as variables"


def main() -> int:
    """Print the problems; return 1 if there are any."""
    folder = Path(os.environ.get("MODERATION_SECRETS_DIR", "/run/secrets"))
    found = list(find_problems(folder, os.environ))
    if found:
        lines = "\n".join(f"- {line}" for line in found)
        print(f"refusing to start:\n{lines}\n{REMEDY}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
