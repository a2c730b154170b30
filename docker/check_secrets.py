"""Refuse to start with secrets that are missing, empty, examples or guessable (entry point)."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from secret_files import NAMES, VARIABLES, weaknesses

REMEDY = "Make them with `python3 docker/make_secrets.py` (docs/deployment.md, Secrets)."


def problems(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """One line for each secret that may not be used, without its value.

    Args:
        folder: where the files are mounted; looks at those that are there.
        environment: looks at the variables that hold secrets, where they are set.
    """
    for name in NAMES:
        file = folder / name
        if file.exists():
            yield from (f"{file} {why}" for why in _read(file))
    for name in VARIABLES:
        if name in environment:
            yield from (f"{name} {why}" for why in weaknesses(environment[name]))
    yield from _absent(folder, environment)


def _read(file: Path) -> list[str]:
    try:
        return weaknesses(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return [f"cannot be read: {type(error).__name__}"]


def _absent(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Without these the library would start servers of its own, inside the container."""

    def given(name: str) -> bool:
        return name in environment or (folder / name.lower()).exists()

    if not given("MODERATION_DATABASE_URL"):
        yield "MODERATION_DATABASE_URL is given neither as a file nor as a variable"
    if not given("MODERATION_S3_ACCESS_KEY") and "MODERATION_S3_ENDPOINT_URL" not in environment:
        yield "the bucket's keys are given neither as files nor as variables"


def main() -> int:
    """Print what is wrong; 1 where anything is."""
    folder = Path(os.environ.get("MODERATION_SECRETS_DIR", "/run/secrets"))
    found = list(problems(folder, os.environ))
    if found:
        lines = "\n".join(f"- {line}" for line in found)
        print(f"refusing to start:\n{lines}\n{REMEDY}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
