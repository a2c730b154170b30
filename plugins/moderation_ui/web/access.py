"""Page permissions, mapped to permissions of Airflow's auth manager.

| permission | permission in Airflow                                 | simple | FAB    |
|------------|-------------------------------------------------------|--------|--------|
| view       | read DAG `audit_review_images`                        | viewer | Viewer |
| review     | edit human-in-the-loop answers of that DAG            | user   | User   |
| manage     | edit DAG `retrain_model`, and edit pools              | op     | Op     |

Each exists in both auth managers (`docs/access.md`). FAB can grant them one by one; the simple auth
manager has four fixed roles. Without a login: 401; without the permission: 403.
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
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, Request

from moderation_ui.web.errors import ApiError

AUDIT_DAG = "audit_review_images"
RETRAIN_DAG = "retrain_model"


class PagePermission(StrEnum):
    """What a page or an action requires."""

    VIEW = "view"
    REVIEW = "review"
    MANAGE = "manage"


def may(user: Any, right: PagePermission) -> bool:  # noqa: ANN401 - whatever the auth manager's user is
    """Whether Airflow grants the user a right."""
    manager = get_auth_manager()
    if right is PagePermission.VIEW:
        return bool(
            manager.is_authorized_dag(method="GET", details=DagDetails(id=AUDIT_DAG), user=user)
        )
    if right is PagePermission.REVIEW:
        return bool(
            manager.is_authorized_dag(
                method="PUT",
                access_entity=DagAccessEntity.HITL_DETAIL,
                details=DagDetails(id=AUDIT_DAG),
                user=user,
            )
        )
    edits = manager.is_authorized_dag(method="PUT", details=DagDetails(id=RETRAIN_DAG), user=user)
    return bool(
        edits and manager.is_authorized_pool(method="PUT", details=PoolDetails(), user=user)
    )


def requires(right: PagePermission) -> Callable[[Request, Any], None]:
    """A dependency of a router or route; every route of the app has one (a test sees to it)."""

    def check(request: Request, user: GetUserDep) -> None:
        if not may(user, right):
            raise ApiError(403, "forbidden", f"this requires the permission {right.value}")
        request.state.moderation_user = user

    check.right = right  # type: ignore[attr-defined]  # read by the test of all routes
    return check


def _name(user: GetUserDep) -> str:
    return str(user.get_name())


UserName = Annotated[str, Depends(_name)]
