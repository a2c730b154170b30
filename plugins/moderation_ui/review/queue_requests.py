"""Bodies of the requests to the review queue."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from ml.policy.schema import Policy
from moderation_ui.web.resources import NO_NUL, RequestModel, TaskId, Word

if TYPE_CHECKING:
    from ml.storage.task_filters import Filters

TaskIds = Annotated[list[TaskId], Field(max_length=200)]
Note = Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)]


class FiltersBody(RequestModel):
    """Which tasks; None does not filter."""

    reasons: Annotated[list[Word], Field(max_length=50)] | None = None
    category: Word | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    product_id: Word | None = None

    def for_library(self, policy: Policy) -> "Filters":
        """The library's filters; a reason that would reveal a hidden task finds nothing."""
        from ml.review.task_view import REVEALING_REASONS
        from ml.storage.task_filters import Filters

        values = self.model_dump()
        if self.reasons is not None:
            values["reasons"] = tuple(r for r in self.reasons if r not in REVEALING_REASONS)
        raised = policy.screens.signal_reasons
        reasons = tuple(r for r, violation in raised.items() if violation == self.category)
        return Filters(**values, category_reasons=reasons)


class CountsBody(RequestModel):
    """What to count."""

    filters: FiltersBody = FiltersBody()


class ClaimBody(CountsBody):
    """A claim; `order` None is the policy's."""

    count: Annotated[int, Field(ge=1, le=50)] = 1
    order: Literal["priority", "oldest"] | None = None


class TasksBody(RequestModel):
    """Some tasks."""

    task_ids: TaskIds


class ReleaseBody(RequestModel):
    """Some tasks, or all that the user holds."""

    task_ids: TaskIds | None = None


class TaskBody(RequestModel):
    """One task."""

    task_id: TaskId


class DecisionBody(TaskBody):
    """The reviewer's decision on one task."""

    label: Word
    category: Word | None = None
    note: Note = ""


class DecideBody(RequestModel):
    """Some decisions, each written or rejected on its own."""

    decisions: Annotated[list[DecisionBody], Field(min_length=1, max_length=50)]
