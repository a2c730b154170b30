from pathlib import Path

import pytest

from ml.core.errors import BackupError
from ml.operations.backup.bucket_copy import path_of


@pytest.mark.parametrize(
    "key", ["/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\nb", "a\0b", ""]
)
def test_key_outside_of_the_folder_is_rejected(key: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no path below a folder"):
        path_of(key, tmp_path)


def test_key_is_a_path_below_the_folder(tmp_path: Path) -> None:
    assert path_of("models/ab/card.json", tmp_path) == tmp_path / "models" / "ab" / "card.json"
