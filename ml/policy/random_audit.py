"""Section `random_audit` of the policy: how many settled photos people look at all the same."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=0.5)]


class RandomAudit(BaseModel):
    """Shares (0..0.5) of the photos that pass, and of those blocked, that are shown to people.

    Not part of a verdict: a photo that is drawn stays what it is until a person decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: Share = 0.0
    blocked: Share = 0.0

    def share(self, decision: str) -> float:
        """The share of a decision's photos; 0 for `review`, which people see anyhow."""
        return {"pass": self.passed, "block": self.blocked}.get(decision, 0.0)
