import subprocess
import sys
from pathlib import Path

from ml.core.settings import ROOT


def _render(folder: Path) -> dict[str, bytes]:
    subprocess.run(
        [sys.executable, "-m", "devtools", "render", str(folder), "--photos", "6", "--seed", "5",
         "--violating", "0.5"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_render_command_is_deterministic_for_a_seed(tmp_path: Path) -> None:
    photos = _render(tmp_path / "one")
    assert len(photos) == 6
    assert {name.split("/")[0] for name in photos} == {"normal", "violate"}
    assert _render(tmp_path / "two") == photos
