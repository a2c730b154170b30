"""A review task as the queue's page gets it: JSON, with nothing that a reviewer may not know."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml.review.shown_task import ShownTask
    from moderation_ui.resources import Resources

Json = dict[str, Any]


def task_views(
    connection: "Connection", opened: "Resources", task_ids: Sequence[int]
) -> list[Json]:
    """The tasks in the order given; those that are gone are left out."""
    from ml.review.shown_task import shown_tasks

    policy, commerce = opened.policy, opened.connections.commerce
    tasks = shown_tasks(connection, task_ids, policy=policy, commerce=commerce)
    blurred = {name for name, c in policy.classes.items() if c.blur}
    return [_view(task, blur=task.likely in blurred) for task in tasks]


def _view(task: "ShownTask", *, blur: bool) -> Json:
    fields = asdict(task)
    fields["photo"] = fields.pop("content_sha256")
    del fields["likely"]  # for the blur alone
    return fields | {"name": task.object_key.rpartition("/")[2], "blur": blur}
