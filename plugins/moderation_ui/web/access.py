"""Who may do what: page permissions, mapped to those of Airflow's auth manager, and CSRF tokens.

| permission | permission in Airflow                                 | simple | FAB    |
|------------|-------------------------------------------------------|--------|--------|
| view       | read DAG `audit_review_images`                        | viewer | Viewer |
| review     | edit human-in-the-loop answers of that DAG            | user   | User   |
| manage     | edit DAG `retrain_model`, and edit pools              | op     | Op     |

Each exists in both auth managers (`docs/access.md`). FAB can grant them one by one; the simple auth
manager has four fixed roles. Without a login: 401; without the permission: 403.

Airflow's session is a cookie, which a browser also sends with requests that other sites make. A
write therefore needs a signed token, which our pages carry and other sites cannot read, and no
header by which the browser says that another site made the request.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    DagAccessEntity,
    DagDetails,
    PoolDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep, bearer_scheme, get_user
from airflow.configuration import conf
from fastapi import Depends, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from moderation_ui.web.errors import ApiError

AUDIT_DAG = "audit_review_images"
RETRAIN_DAG = "retrain_model"
_TOKEN_HEADER = "x-moderation-token"  # noqa: S105 - a header's name
_TOKEN_SECONDS = 24 * 3600


class PagePermission(StrEnum):
    """What a page or an action requires."""

    VIEW = "view"
    REVIEW = "review"
    MANAGE = "manage"


def may(user: Any, permission: PagePermission) -> bool:  # noqa: ANN401 - whatever the auth manager's user is
    """Whether Airflow grants the user a permission."""
    manager = get_auth_manager()
    audit, retrain = DagDetails(id=AUDIT_DAG), DagDetails(id=RETRAIN_DAG)
    if permission is PagePermission.VIEW:
        return manager.is_authorized_dag(method="GET", details=audit, user=user)
    if permission is PagePermission.REVIEW:
        answers = DagAccessEntity.HITL_DETAIL
        return manager.is_authorized_dag(
            method="PUT", access_entity=answers, details=audit, user=user
        )
    return manager.is_authorized_dag(
        method="PUT", details=retrain, user=user
    ) and manager.is_authorized_pool(method="PUT", details=PoolDetails(), user=user)


async def authenticate(request: Request) -> object:
    """The user of a request, as `GetUserDep` finds it; raises HTTPException (401 or 403)."""
    return await get_user(request, None, await bearer_scheme(request))


def requires(permission: PagePermission) -> Callable[[Request, Any], None]:
    """A dependency of a router or route; every route of the app has one (a test checks it)."""

    def check(request: Request, user: GetUserDep) -> None:
        if not may(user, permission):
            raise ApiError(403, "forbidden", f"this requires the permission {permission.value}")
        request.state.moderation_user = user

    return check


def _name(user: GetUserDep) -> str:
    return str(user.get_name())


UserName = Annotated[str, Depends(_name)]


def create_token(user: str) -> str:
    """The token of a user's pages."""
    return _signer().dumps(user)


def check_same_origin(request: Request, user: UserName) -> None:
    """Reject a write that another site made, or that has another user's token."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "cross_site", "this request comes from another site")
    try:
        owner = _signer().loads(request.headers.get(_TOKEN_HEADER, ""), max_age=_TOKEN_SECONDS)
    except BadSignature as error:
        raise ApiError(403, "token", "the page has expired: reload it") from error
    if owner != user:
        raise ApiError(403, "token", "the page was loaded by another user: reload it")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="moderation")
