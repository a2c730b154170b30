"""What the models pages show, in the user's language: metrics, gates, the model card."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends

from ml.core.format import count, percent, short_hash, signed
from moderation_ui.web.words import Labels, PageLabels


@dataclass(frozen=True)
class Figure:
    """One metric; `share` is shown as a percentage, a missing `value` as a dash."""

    name: str
    value: float | None
    share: bool = True


class View(Labels):
    """Texts of a models page."""

    def is_class_blurred(self, name: str) -> bool:
        """Whether the policy blurs photos of a class; of all classes without a policy."""
        classes = self.policy.classes
        return not classes or (name in classes and classes[name].blur)

    def figures(self, metrics: Mapping[str, Any] | None) -> list[Figure]:
        """The main metrics, as far as they were measured."""
        found = metrics or {}
        verdicts = found.get("verdicts") or {}
        recalls = [
            Figure(self.words("models.recall_of", title=self.class_title(name)), each.get("recall"))
            for name, each in (found.get("per_class") or {}).items()
        ]
        return [
            *self._figure("accuracy", found, "accuracy"),
            *recalls,
            *self._figure("leak", verdicts, "leak_rate"),
            *self._figure("review", verdicts, "review_rate"),
            *self._figure("calibration", found, "expected_calibration_error", share=False),
        ]

    def _figure(
        self, word: str, found: Mapping[str, Any], key: str, *, share: bool = True
    ) -> list[Figure]:
        return [Figure(self.words(f"models.{word}"), found[key], share)] if key in found else []

    def gate(self, name: str) -> str:
        """A gate's name, of `recall_floor:violate` and the like."""
        kind, _, of = name.partition(":")
        title = self.words.get(f"models.gate_{kind}", kind)
        if not of:
            return title
        if of not in self.policy.classes:
            of = self.words.get(f"models.{of}", of)
        return f"{title} · {self.class_title(of)}"

    def failed_gates(self, gates: Iterable[Mapping[str, Any]]) -> list[str]:
        """Names of the gates that failed."""
        return [self.gate(gate["name"]) for gate in gates if not gate["passed"]]

    def plot(self, name: str) -> str:
        """The caption of a plot."""
        return self.words.get(f"models.plot_{name}", name)

    def rows(self, part: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of candidate versus champion, as `ml.learning.report.tables.measures` has them."""
        from ml.learning.report.tables import measures

        return [row | {"name": self._in_language(row["name"])} for row in measures(part)]

    def _in_language(self, both: str) -> str:
        """Of "violate: recall · 召回率" the part in the page's language, after the class."""
        english, _, chinese = both.partition(" · ")
        name, colon, metric = english.rpartition(": ")
        if self.words.language == "zh":
            metric, colon = chinese or metric, colon and "："
        return f"{self.class_title(name)}{colon}{metric}" if colon else metric

    @staticmethod
    def difference(value: float, digits: int) -> str:
        """With its sign, unless it is rounded to zero."""
        return signed(value, digits, minus="-")

    def pretrained_weights(self, card: Mapping[str, Any]) -> str:
        """The weights that training started from."""
        start = card.get("pretrained_weights") or {}
        detail = start.get("detail", "")
        unknown, short = self.words("common.unknown"), short_hash(detail)
        return self.words.get(
            f"models.start_{start.get('kind')}", unknown, detail=detail, short=short
        )

    @staticmethod
    def int8_state(card: Mapping[str, Any]) -> str:
        """Whether a version has an int8 variant: `allowed`, `refused` or `absent`."""
        if card.get("int8"):
            return "allowed"
        return "refused" if card.get("refused_int8") else "absent"

    def int8(self, card: Mapping[str, Any]) -> list[str]:
        """The int8 variant, or why there is none, and its measured differences, a sentence each."""
        if refused := card.get("refused_int8"):
            reason = self.words(f"models.int8_{refused['reason']}")
            return [reason, *self._comparison(refused["comparison"])]
        if not (variant := card.get("int8")):
            return [self.words("models.int8_absent")]
        return [
            self.words(
                "models.int8_made",
                photos=count(variant["calibration_photos"]),
                temperature=f"{variant['calibration']['temperature']:.3f}",
            ),
            *self.thresholds(variant),
            *self._comparison(variant["comparison"]),
        ]

    @staticmethod
    def int8_hash(card: Mapping[str, Any]) -> str:
        """The name of a version's int8 variant, as runs and verdicts record it."""
        from ml.models.card import hash_content

        return hash_content(card["int8"])

    def _comparison(self, found: Mapping[str, float]) -> list[str]:
        leak, leak_high = (
            100 * found[n] if n in found else None for n in ("leak_difference", "leak_high")
        )
        return [
            self.words("models.int8_compared", photos=count(found.get("photos"))),
            self.words(
                "models.int8_area_differs",
                value=signed(found.get("area_difference"), 4, minus="-"),
                worst=signed(found.get("area_low"), 4, minus="-"),
            ),
            self.words(
                "models.int8_leak_differs",
                value=signed(leak, 2, minus="-"),
                worst=signed(leak_high, 2, minus="-"),
            ),
            self.words(
                "models.int8_review",
                share=percent(found.get("variant_review_share"), unit=" %"),
                float32=percent(found.get("review_share"), unit=" %"),
            ),
        ]

    def thresholds(self, card: Mapping[str, Any]) -> list[str]:
        """The threshold, its source, and the evidence for it, a sentence each."""
        thresholds = card.get("thresholds") or {}
        if not thresholds:
            return [self.words("common.unknown")]
        evidence = thresholds.get("evidence")
        return [
            self.words("models.threshold", at=f"{thresholds['pass_confidence']:.4f}"),
            self.words("models.threshold_source", source=thresholds["source"]),
            self._evidence(evidence) if evidence else self._missing_evidence(thresholds),
        ]

    @staticmethod
    def bound_state(card: Mapping[str, Any]) -> str | None:
        """Whether the leak bound of a version is met, not met or not proven."""
        from ml.models.bound_state import find_bound_state

        return find_bound_state(card.get("thresholds") or {})

    def _missing_evidence(self, thresholds: Mapping[str, Any]) -> str:
        state = self.bound_state({"thresholds": thresholds})
        return self.words(f"models.bound_{state}_says" if state else "models.no_evidence")

    def memory(self, card: Mapping[str, Any]) -> str:
        """When similar decided photos send a photo to review, and what that saved when measured."""
        if not (rule := card.get("memory")):
            return self.words("models.memory_absent")
        return self.words(
            "models.memory_says",
            share=percent(rule["min_violating_share"], 0, unit=" %"),
            saved=count(rule["leaks_saved"]),
            leaks=count(rule["leaks_before"]),
            new=count(rule["new_leaks"]),
            added=percent(rule["added_review_share"], unit=" %"),
        )

    def _evidence(self, evidence: Mapping[str, Any]) -> str:
        return self.words(
            "models.evidence",
            photos=count(evidence["photos"]),
            passed=count(evidence["passed"]),
            leaked=count(evidence["leaked"], 1).removesuffix(".0"),
            confidence=percent(evidence["confidence"], 0, unit=" %"),
            bound=percent(evidence["upper_bound"], 2, unit=" %"),
            target=percent(evidence["target_rate"], 2, unit=" %"),
            review=percent(evidence["review_rate"], unit=" %"),
        )


def _page_view(labels: PageLabels) -> View:
    return View(labels.words, labels.policy)


PageView = Annotated[View, Depends(_page_view)]
