from pathlib import Path

import pytest

from ml.core.errors import BackupError
from ml.operations.backup.bucket_copy import path_of


@pytest.mark.parametrize(
    "key", ["/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\nb", "a\0b", ""]
)
def test_a_key_never_leads_out_of_the_folder(key: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no path below a folder"):
        path_of(key, tmp_path)


def test_our_own_keys_are_paths(tmp_path: Path) -> None:
    assert path_of("models/ab/card.json", tmp_path) == tmp_path / "models" / "ab" / "card.json"
