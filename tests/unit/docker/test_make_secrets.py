import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from make_secrets import _strong, draw, given, write
from secret_files import NAMES, weaknesses


def test_every_secret_is_drawn_strong_and_no_two_installations_share_one() -> None:
    one, other = draw({}), draw({})
    assert list(one) == list(NAMES)
    assert {name: weaknesses(content) for name, content in one.items() if weaknesses(content)} == {}
    assert not set(one.values()) & set(other.values())
    Fernet(one["airflow_fernet_key"])


def test_what_belongs_together_is_the_same() -> None:
    drawn = draw({"MODERATION_PHOTO_BUCKET": "shop-photos"})
    assert drawn["redis_conf"].removeprefix("requirepass ") in drawn["celery_broker_url"]
    assert drawn["moderation_s3_secret_key"] in drawn["s3_identities"]
    assert '"Read:shop-photos"' in drawn["s3_identities"]
    assert '"Write:shop-photos"' in drawn["s3_identities"]  # the shop's own account


def test_a_given_secret_is_taken_from_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('# X=1\nAIRFLOW_ADMIN_PASSWORD="a-password-of-my-own-42"\nEMPTY=\n')
    values = given(file)
    assert draw(values)["airflow_admin_password"] == "a-password-of-my-own-42"
    assert "# X" not in values


def test_the_files_can_be_read_by_containers_and_the_folder_by_its_owner_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "secrets"
    assert write(folder, draw({})) == list(NAMES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in NAMES} == {0o444}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, draw({}))
    before = (tmp_path / "redis_conf").read_text()
    assert write(tmp_path, draw({})) == []
    assert (tmp_path / "redis_conf").read_text() == before


def test_a_part_of_the_files_is_refused_for_they_belong_together(tmp_path: Path) -> None:
    write(tmp_path, draw({}))
    (tmp_path / "redis_conf").unlink()
    with pytest.raises(SystemExit, match="not redis_conf"):
        write(tmp_path, draw({}))


def test_the_example_password_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    values = {"AIRFLOW_ADMIN_PASSWORD": "change-me-before-the-first-start"}
    with pytest.raises(SystemExit, match="AIRFLOW_ADMIN_PASSWORD is a default or an example"):
        write(folder, draw(values))
    assert not folder.exists()


def test_what_chance_makes_weak_is_drawn_again() -> None:
    values = iter(["ab" * 10, "0123456789abcdef0123"])
    assert _strong(lambda: next(values)) == "0123456789abcdef0123"


def test_drawing_never_makes_what_the_check_refuses() -> None:
    for _ in range(300):
        assert [n for n, content in draw({}).items() if weaknesses(content)] == []
