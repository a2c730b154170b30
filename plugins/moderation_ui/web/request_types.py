"""Parts of requests that several routes share, bounded to what the database can hold."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TaskId = Annotated[int, Field(ge=1, le=2**63 - 1)]
TaskIds = Annotated[list[TaskId], Field(max_length=200)]

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text cannot hold it
Word = Annotated[str, StringConstraints(max_length=100, pattern=_NO_NUL)]
Note = Annotated[str, StringConstraints(max_length=500, pattern=_NO_NUL)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_NO_NUL)
]
ObjectKey = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=_NO_NUL)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class JsonBody(BaseModel):
    """A request's body: unknown keys are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
