"""The compose files as Docker Compose resolves them; it needs no container engine for that."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ml.core.settings import ROOT

COMPOSE = Path(sys.executable).with_name("docker-compose")
MAIN, GPU = "docker-compose.yaml", "docker-compose.gpu.yaml"


@cache
def resolved(*files: str) -> dict[str, Any]:
    """Resolve compose files with the values of `.env.example`.

    Raises:
        AssertionError: Docker Compose rejects them; carries its output.
    """
    chosen = [argument for name in files for argument in ("-f", name)]
    done = subprocess.run(
        [COMPOSE, "--env-file", ".env.example", *chosen, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # warnings: a variable without a value and the like
    model: dict[str, Any] = json.loads(done.stdout)
    return model


def services(*files: str) -> dict[str, dict[str, Any]]:
    """Return the services of compose files by name."""
    found: dict[str, dict[str, Any]] = resolved(*files)["services"]
    return found
