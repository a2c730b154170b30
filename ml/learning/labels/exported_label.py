"""The label of a photo in an export: the votes of the window, and reviewers without names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ml.storage.labelled_contents import Decision


@dataclass(frozen=True)
class ExportedLabel:
    """What an export says of one photo. `file` is its path below the folder of photos."""

    content_sha256: str
    label: str
    category: str | None
    decided_at: str
    route: str
    reviewers: int
    contested: bool
    object_key: str | None
    width: int
    height: int
    file: str


def resolve(decisions: Sequence[Decision]) -> tuple[Decision, int, bool]:
    """The decision that stands for a photo, how many voted, and whether they disagree.

    By the rule of `ml.storage.labels.resolve_labels`: the latest decision of each reviewer counts,
    most votes win, a tie goes to the latest. `decisions` of one photo are in the order of time. The
    category is the latest one that a voter of the winning label gave.
    """
    latest = {decision.reviewer: decision for decision in decisions}
    votes = Counter(decision.label for decision in latest.values())
    order = {decision.label_id: place for place, decision in enumerate(decisions)}
    voted = sorted(latest.values(), key=lambda vote: (votes[vote.label], order[vote.label_id]))
    return voted[-1], len(latest), len(votes) > 1


def find_category(decisions: Sequence[Decision], label: str) -> str | None:
    """The latest category that a vote for the label names; None if there is none."""
    latest = {decision.reviewer: decision for decision in decisions}
    named = [d for d in decisions if latest[d.reviewer] is d and d.label == label and d.category]
    return named[-1].category if named else None


class Pseudonyms:
    """Names of reviewers as `reviewer-1`, `reviewer-2`, in the order in which an export meets them.

    The same window gives the same ones. Another export with names may tell whose they are.
    """

    def __init__(self, *, keep_names: bool) -> None:
        self._keep = keep_names
        self._names: dict[str, str] = {}

    def replace(self, reviewer: str) -> str:
        """What the export calls a reviewer."""
        if self._keep:
            return reviewer
        return self._names.setdefault(reviewer, f"reviewer-{len(self._names) + 1}")
