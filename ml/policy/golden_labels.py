"""How far the label of a golden photo is confirmed, and when it is disputed.

Evaluation takes golden labels for the truth, so one look at a photo is not enough:

- The votes of two reviewers agree: `two_reviewers`.
- A shop with one reviewer, or with imported labels, has no second person. An answer to a golden
  task, which is blind, takes their place if it gives the same label after some days, when the first
  look is forgotten: `second_look`. It may be the same reviewer's.
- Else the label is of `one_look`, or `imported`. Votes of the route `import` never make two
  reviewers: nobody here knows how they were given.
- Blind answers since the label's last vote may contradict it. Where the people whose latest word is
  another label are as many as those for it, it is `disputed` until somebody decides it again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from ml.core.manifest import Confirmation

_MIN_REVIEWERS = 2
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Opinion:
    """A reviewer's label of a photo or, if `is_blind`, their answer to a golden task."""

    reviewer: str
    label: str
    given_at: datetime
    is_imported: bool = False
    is_blind: bool = False


@dataclass(frozen=True)
class GoldenLabel:
    """The label of a golden photo, and all opinions on the photo, the oldest first."""

    label: str
    opinions: Sequence[Opinion]

    @property
    def is_disputed(self) -> bool:
        """Whether blind answers, or a later decision, contradict the label."""
        latest = dict.fromkeys(self._voters, self.label) | self._answers_since(self._labeled_at)
        against = sum(label != self.label for label in latest.values())
        return self._is_outvoted or 0 < len(latest) <= 2 * against

    def find_confirmation(self, second_look: timedelta) -> Confirmation:
        """Blind answers count from `second_look` after the label's last vote."""
        if self.is_disputed:
            return Confirmation.DISPUTED
        reviewers = sum(not vote.is_imported for vote in self._voters.values())
        if reviewers >= _MIN_REVIEWERS:
            return Confirmation.TWO_REVIEWERS
        if self.label in self._answers_since(self._labeled_at + second_look).values():
            return Confirmation.SECOND_LOOK
        return Confirmation.ONE_LOOK if reviewers or not self._votes else Confirmation.IMPORTED

    def needs_second_look(self, second_look: timedelta, *, now: datetime) -> bool:
        """Whether the label is not confirmed, and a blind answer given now would confirm it."""
        found = self.find_confirmation(second_look)
        is_unconfirmed = found in (Confirmation.ONE_LOOK, Confirmation.IMPORTED)
        return is_unconfirmed and now >= self._labeled_at + second_look

    @cached_property
    def _votes(self) -> dict[str, Opinion]:
        """The latest label of each reviewer."""
        return _latest(opinion for opinion in self.opinions if not opinion.is_blind)

    @cached_property
    def _voters(self) -> dict[str, Opinion]:
        return {name: vote for name, vote in self._votes.items() if vote.label == self.label}

    @property
    def _is_outvoted(self) -> bool:
        """Whether the votes give another label: by most votes, a tie by the latest one."""
        votes = sorted(self._votes.values(), key=lambda vote: vote.given_at)
        counts = Counter(vote.label for vote in votes)
        latest = {vote.label: n for n, vote in enumerate(votes)}
        ranked = max(counts, key=lambda label: (counts[label], latest[label]), default=self.label)
        return ranked != self.label

    @cached_property
    def _labeled_at(self) -> datetime:
        """When the last vote for the label was given."""
        return max((vote.given_at for vote in self._voters.values()), default=_NEVER)

    def _answers_since(self, since: datetime) -> dict[str, str]:
        """Each reviewer's latest blind answer from then on: a later vote replaces earlier ones."""
        answers = _latest(o for o in self.opinions if o.is_blind and o.given_at >= since)
        return {name: answer.label for name, answer in answers.items()}


def _latest(opinions: Iterable[Opinion]) -> dict[str, Opinion]:
    return {opinion.reviewer: opinion for opinion in opinions}
