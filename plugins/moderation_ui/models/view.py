"""What the models pages show, in the person's language: figures, gates, the card in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.core.format import count, percent, short_hash, signed
from moderation_ui.web.operations_labels import class_text, known_or_plain
from moderation_ui.web.resources import Words

if TYPE_CHECKING:
    from ml.policy.schema import Policy


@dataclass(frozen=True)
class Figure:
    """One measured value (None: undefined); `share` is shown as a percentage."""

    name: str
    value: float | None
    share: bool = True


class View:
    """Words of one page.

    Args:
        words: in the person's language.
        policy: names the classes.
    """

    def __init__(self, words: Words, policy: "Policy") -> None:
        self._words, self._policy = words, policy

    def title(self, name: str) -> str:
        """A class as the policy names it."""
        return class_text(name, self._words, self._policy)

    def blurred(self, name: str) -> bool:
        """Whether the policy has photos of a class blurred."""
        return name in self._policy.classes and self._policy.classes[name].blur

    def figures(self, measured: Mapping[str, Any] | None) -> list[Figure]:
        """The headline of a measurement; what it does not say is left out."""
        found = measured or {}
        verdicts = found.get("verdicts") or {}
        recalls = [
            Figure(self._words("models.recall_of", title=self.title(name)), each.get("recall"))
            for name, each in (found.get("per_class") or {}).items()
        ]
        return [
            *self._one("accuracy", found, "accuracy"),
            *recalls,
            *self._one("leak", verdicts, "leak_rate"),
            *self._one("review", verdicts, "review_rate"),
            *self._one("calibration", found, "expected_calibration_error", share=False),
        ]

    def _one(
        self, word: str, found: Mapping[str, Any], key: str, *, share: bool = True
    ) -> list[Figure]:
        return [Figure(self._words(f"models.{word}"), found[key], share)] if key in found else []

    def gate(self, name: str) -> str:
        """A gate's name: `recall_floor:violate` and the like."""
        kind, _, of = name.partition(":")
        known = known_or_plain(f"models.gate_{kind}", kind, self._words)
        if not of:
            return known
        if of not in self._policy.classes:
            of = known_or_plain(f"models.{of}", of, self._words)
        return f"{known} · {self.title(of)}"

    def failed_gates(self, gates: Iterable[Mapping[str, Any]]) -> list[str]:
        """Names of the gates that failed."""
        return [self.gate(gate["name"]) for gate in gates if not gate["passed"]]

    def plot(self, name: str) -> str:
        """The caption of a plot."""
        return known_or_plain(f"models.plot_{name}", name, self._words)

    def rows(self, part: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of candidate versus champion, as `ml.learning.report.tables.measures` has them."""
        from ml.learning.report.tables import measures

        return [row | {"name": self._in_language(row["name"])} for row in measures(part)]

    def _in_language(self, both: str) -> str:
        """Of "violate: recall · 召回率" the part in the page's language, behind the class."""
        english, _, chinese = both.partition(" · ")
        of, colon, what = english.rpartition(": ")
        lines = chinese if self._words.language == "zh" and chinese else what
        return f"{self.title(of)}: {lines}" if colon else lines

    @staticmethod
    def difference(value: float, digits: int) -> str:
        """With its sign; nothing but zeros has none."""
        return signed(value, digits, minus="-")

    def pretrained_weights(self, card: Mapping[str, Any]) -> str:
        """What training started from, plainly."""
        start = card.get("pretrained_weights") or {}
        kind, detail = start.get("kind"), start.get("detail", "")
        if kind not in ("imagenet", "file", "bundled", "scratch", "champion"):
            return self._words("common.unknown")
        return self._words(f"models.start_{kind}", detail=detail, short=short_hash(detail))

    def thresholds(self, card: Mapping[str, Any]) -> list[str]:
        """The threshold, its source, and the evidence for it, a sentence each."""
        thresholds = card.get("thresholds") or {}
        if not thresholds:
            return [self._words("common.unknown")]
        lines = [
            self._words("models.threshold", at=f"{thresholds['pass_confidence']:.4f}"),
            self._words("models.threshold_source", source=thresholds["source"]),
        ]
        evidence = thresholds.get("evidence")
        if not evidence:
            return [*lines, self._words("models.no_evidence")]
        return [*lines, self._evidence(evidence)]

    def _evidence(self, evidence: Mapping[str, Any]) -> str:
        return self._words(
            "models.evidence",
            photos=count(evidence["photos"]),
            passed=count(evidence["passed"]),
            leaked=count(evidence["leaked"], 1).removesuffix(".0"),
            confidence=percent(evidence["confidence"], 0, unit=" %"),
            bound=percent(evidence["upper_bound"], 2, unit=" %"),
            target=percent(evidence["target_rate"], 2, unit=" %"),
            review=percent(evidence["review_rate"], unit=" %"),
        )
