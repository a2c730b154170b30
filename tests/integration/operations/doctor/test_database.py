import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from ml.core.settings import Settings
from ml.operations.doctor.check import CheckStatus
from tests.integration.operations.doctor.conftest import Examine, failures

pytestmark = pytest.mark.integration


def _url(settings: Settings, **changed: str | int) -> SecretStr:
    assert settings.database_url
    url = make_url(settings.database_url.get_secret_value()).set(**changed)  # type: ignore[arg-type]  # parts of a URL
    return SecretStr(url.render_as_string(hide_password=False))


def test_a_deployment_with_least_rights_is_fit(examined: Examine) -> None:
    found = examined()
    assert failures(found) == []
    skipped = [name for name, finding in found.items() if finding.state is CheckStatus.SKIPPED]
    assert skipped == ["/predict"]


def test_a_wrong_password_is_refused_and_nothing_else_is_asked_of_the_database(
    examined: Examine, settings: Settings
) -> None:
    found = examined(database_url=_url(settings, password="wrong"))
    assert failures(found) == ["database"]
    assert "refuses" in found["database"].message
    assert "user and password in MODERATION_DATABASE_URL" in found["database"].remedy
    assert found["champion"].state is found["commerce table"].state is CheckStatus.SKIPPED


@pytest.mark.parametrize("part", [{"port": 1}, {"database": "nowhere"}])
def test_a_database_that_is_not_there(
    examined: Examine, settings: Settings, part: dict[str, str | int]
) -> None:
    found = examined(database_url=_url(settings, **part))
    assert failures(found) == ["database"]
    assert "host, port and database name" in found["database"].remedy
