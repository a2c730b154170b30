import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from check_secrets import NAMES, find_weaknesses
from make_secrets import _generate, generate_secrets, read_values, write_secrets


def test_generated_secrets_are_strong_and_unique() -> None:
    one, other = generate_secrets({}), generate_secrets({})
    assert list(one) == list(NAMES)
    assert {
        name: find_weaknesses(content) for name, content in one.items() if find_weaknesses(content)
    } == {}
    assert not set(one.values()) & set(other.values())
    Fernet(one["airflow_fernet_key"])


def test_related_secrets_are_consistent() -> None:
    drawn = generate_secrets({"MODERATION_PHOTO_BUCKET": "shop-photos"})
    assert drawn["redis_conf"].removeprefix("requirepass ") in drawn["celery_broker_url"]
    assert drawn["moderation_s3_secret_key"] in drawn["s3_identities"]
    assert '"Read:shop-photos"' in drawn["s3_identities"]
    assert '"Write:shop-photos"' in drawn["s3_identities"]  # the shop's own account


def test_secret_of_the_env_file_overrides_the_generated_one(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('# X=1\nAIRFLOW_ADMIN_PASSWORD="a-password-of-my-own-42"\nEMPTY=\n')
    values = read_values(file)
    assert generate_secrets(values)["airflow_admin_password"] == "a-password-of-my-own-42"
    assert "# X" not in values


def test_secret_files_are_world_readable_in_a_private_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "secrets"
    assert write_secrets(folder, generate_secrets({})) == list(NAMES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in NAMES} == {0o444}


def test_write_secrets_is_idempotent(tmp_path: Path) -> None:
    write_secrets(tmp_path, generate_secrets({}))
    before = (tmp_path / "redis_conf").read_text()
    assert write_secrets(tmp_path, generate_secrets({})) == []
    assert (tmp_path / "redis_conf").read_text() == before


def test_incomplete_secret_files_are_rejected(tmp_path: Path) -> None:
    write_secrets(tmp_path, generate_secrets({}))
    (tmp_path / "redis_conf").unlink()
    with pytest.raises(SystemExit, match="not redis_conf"):
        write_secrets(tmp_path, generate_secrets({}))


def test_example_password_is_rejected_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    values = {"AIRFLOW_ADMIN_PASSWORD": "change-me-before-the-first-start"}
    with pytest.raises(SystemExit, match="AIRFLOW_ADMIN_PASSWORD is a default or an example"):
        write_secrets(folder, generate_secrets(values))
    assert not folder.exists()


def test_weak_random_value_is_generated_again() -> None:
    values = iter(["ab" * 10, "0123456789abcdef0123"])
    assert _generate(draw=lambda _: next(values)) == "0123456789abcdef0123"


def test_generated_secrets_always_pass_the_check() -> None:
    for _ in range(300):
        assert [n for n, content in generate_secrets({}).items() if find_weaknesses(content)] == []
