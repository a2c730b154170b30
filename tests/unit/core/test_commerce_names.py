"""Settings of the commerce table's times."""

import pytest
from pydantic import ValidationError

from ml.core.commerce_names import CommerceNames
from ml.core.settings import load_settings


@pytest.mark.parametrize("name", ["America/New_York", "UTC", "Etc/GMT+8", "Australia/Lord_Howe"])
def test_zone_with_an_area_is_accepted(name: str) -> None:
    assert CommerceNames(timezone=name).timezone == name


@pytest.mark.parametrize("name", ["CET", "EST5EDT", "UTC+8", "+08:00", "Mars/Olympus", "", "a'/b"])
def test_other_zone_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError, match="such as America/New_York"):
        CommerceNames(timezone=name)


def test_column_that_is_named_twice_is_rejected() -> None:
    with pytest.raises(ValidationError, match="a column may be named once"):
        CommerceNames(uploaded_at="created_at", moderated_at="created_at")


def test_other_unit_is_rejected() -> None:
    with pytest.raises(ValidationError, match="time_unit"):
        CommerceNames(time_unit="hours")  # type: ignore[arg-type]  # what a person may write


def test_variables_name_unit_zone_and_numbers_as_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"TIME_UNIT": "seconds", "TIMEZONE": "Asia/Tokyo", "STATUS_PENDING": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(f"MODERATION_COMMERCE__{name}", value)
    names = load_settings().commerce
    assert (names.time_unit, names.timezone, names.status_pending) == ("seconds", "Asia/Tokyo", "0")
