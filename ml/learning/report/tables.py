"""Tables and sentences of the model report, in English and Chinese."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import pandas as pd

from ml.core.format import count, percent
from ml.core.manifest import Confirmation, Manifest, Split
from ml.models.evaluation.model_comparison import main_set

GROUPINGS = {
    "category": "Category · 类别",
    "route": "Route · 来源",
    "size": "Short side (small <300, large ≥800 px) · 尺寸",
    "brightness": "Brightness (dark <85, bright ≥170 of 255) · 亮度",
    "new_class": "Classes unknown to the champion · 新增类别",
}


class Words(NamedTuple):
    """The same words in both languages."""

    en: str
    zh: str


SETS = {
    "golden": Words("golden photos", "金标图片"),
    "newest": Words("newest golden photos", "本次新增金标图片"),
    "out_of_fold": Words("held-out photos", "留出图片"),
}
BOUND_STATES = {
    "met": Words("Bound met", "已达漏放上限"),
    "not_met": Words("Bound not met", "未达漏放上限"),
    "not_proven": Words("Bound not proven", "漏放上限未验证"),
    None: Words("There is no evidence for its leak rate", "无漏放率证据"),
}
CONFIRMATIONS = {
    Confirmation.TWO_REVIEWERS: Words("two reviewers agree", "两名审核员一致"),
    Confirmation.SECOND_LOOK: Words("confirmed by a blind second look", "经第二次盲审确认"),
    Confirmation.ONE_LOOK: Words("one reviewer, not confirmed", "一名审核员，未确认"),
    Confirmation.IMPORTED: Words("imported, not confirmed", "导入，未确认"),
    Confirmation.DISPUTED: Words(
        "disputed, not compared on until decided again", "有争议，重新审核前不参与对比"
    ),
}
_MOSTLY_UNCONFIRMED = Words(
    "Less than half of the golden labels are confirmed: errors of a single look may decide the "
    "comparison. Hidden golden tasks confirm them over time.",
    "已确认的金标标签不足一半：单次审核的错误可能影响对比结果。隐藏考题会逐步确认标签。",
)
PLOTS = {
    "trade_off": "Review workload against missed violations · 人工量与漏放率",
    "confusion_candidate": "Confusion matrix, candidate · 候选模型混淆矩阵",
    "confusion_champion": "Confusion matrix, champion · 现役模型混淆矩阵",
    "reliability_candidate": "Calibration, candidate · 候选模型校准曲线",
    "reliability_champion": "Calibration, champion · 现役模型校准曲线",
    "precision_recall_candidate": "Precision and recall, candidate · 候选模型精确率与召回率",
    "precision_recall_champion": "Precision and recall, champion · 现役模型精确率与召回率",
    "training": "Training curve · 训练曲线",
}


def verdict(gated: Mapping[str, Any] | None) -> dict[str, str]:
    """What was decided so far: `tone`, and a line in each language."""
    if gated is None:
        return {"tone": "open", "en": "Not checked yet", "zh": "尚未检查"}
    gates = gated["gates"]
    failed = sum(not gate["passed"] for gate in gates)
    if gated["decision"] == "promote":
        en = f"All {len(gates)} release checks passed: ready to promote"
        return {"tone": "good", "en": en, "zh": f"{len(gates)} 项上线检查全部通过，可以上线"}
    en = f"Held: {failed} of {len(gates)} release checks failed"
    return {"tone": "bad", "en": en, "zh": f"暂缓上线：{len(gates)} 项上线检查中 {failed} 项未通过"}


def summary(report: Mapping[str, Any]) -> dict[str, str]:
    """The result in one sentence, in each language (`en`, `zh`)."""
    compared = main_set(report)
    found = report["sets"][compared]
    ours, theirs = found["candidate"], found["champion"]
    photos, accuracy = found["photos"], percent(ours["accuracy"])
    leak, review = (percent(ours["verdicts"][name]) for name in ("leak_rate", "review_rate"))
    en, zh = "; there is no champion to compare with", "，没有现役模型可对比"
    if theirs is not None:
        old = percent(theirs["accuracy"])
        p_value = p_value_text(found["paired"]["accuracy"]["p_value"])
        en, zh = f", the champion of {old} (p {p_value})", f"，现役模型 {old}（p {p_value}）"
    return {
        "en": f"On {photos:,} {SETS[compared].en} the candidate has an accuracy of {accuracy}{en}. "
        f"Of what it passes, {leak} are violations; {review} go to review.",
        "zh": f"在 {photos:,} 张{SETS[compared].zh}上，候选模型准确率 {accuracy}{zh}。"
        f"漏放率 {leak}，待人审率 {review}。",
    }


class GoldenLabels(NamedTuple):
    """The golden photos by confirmation, in sentences; `warning` is None where most are confirmed.

    `kinds` has the number and share of each confirmation that occurs.
    """

    sentence: Words
    kinds: list[tuple[Words, int, float]]
    warning: Words | None


def golden_labels(report: Mapping[str, Any]) -> GoldenLabels | None:
    """How far the labels of the golden set are confirmed; None where the report does not say."""
    found = report["golden"].get("confirmations")
    if not found:
        return None
    photos = sum(found.values())
    confirmed = sum(found[kind] for kind in found if Confirmation(kind).is_confirmed)
    share, disputed = percent(confirmed / photos), count(found.get(Confirmation.DISPUTED, 0))
    sentence = Words(
        f"{count(confirmed)} of {count(photos)} golden labels ({share}) are confirmed by a second "
        f"reviewer or a blind second look; {disputed} are disputed.",
        f"{count(photos)} 个金标标签中 {count(confirmed)} 个（{share}）经第二名审核员"
        f"或第二次盲审确认，{disputed} 个有争议。",
    )
    kinds = [(words, found[kind]) for kind, words in CONFIRMATIONS.items() if kind in found]
    return GoldenLabels(
        sentence,
        [(words, number, number / photos) for words, number in kinds],
        _MOSTLY_UNCONFIRMED if 2 * confirmed < photos else None,
    )


def measures(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table candidate versus champion.

    Each has `name`, `figure` (the path in the metrics), `candidate`, `champion`, `difference`
    (candidate minus champion), `test` (the paired test, or None), `p_value`, `higher_is_better`,
    and `kind`: `share` or `number`.
    """
    tests = part["paired"] or {"accuracy": None, "recall": {}, "leak": None}
    rows = [("Accuracy · 准确率", "accuracy", "share", True, tests["accuracy"])]
    for name in part["candidate"]["per_class"]:
        path, test = f"per_class/{name}", tests["recall"].get(name)
        rows += [
            (f"{name}: recall · 召回率", f"{path}/recall", "share", True, test),
            (f"{name}: precision · 精确率", f"{path}/precision", "share", True, None),
            (f"{name}: F1", f"{path}/f1", "number", True, None),
            (f"{name}: PR-AUC", f"{path}/pr_auc", "number", True, None),
        ]
    missed = _negate(tests["leak"])
    rows += [
        ("Calibration error · 校准误差", "expected_calibration_error", "number", False, None),
        ("Missed (of all violations) · 漏检率", "missed", "share", False, missed),
        ("Leak rate (of what passed) · 漏放率", "verdicts/leak_rate", "share", False, None),
        ("Sent to review · 待人审", "verdicts/review_rate", "share", False, None),
        ("Passed · 通过", "verdicts/pass_rate", "share", True, None),
        ("Blocked · 拦截", "verdicts/block_rate", "share", True, None),
    ]
    table = pd.DataFrame(rows, columns=["name", "figure", "kind", "higher_is_better", "test"])
    for model in ("candidate", "champion"):
        figures = _figures(part[model]).reindex(table["figure"])
        table[model] = figures.to_numpy(dtype=float, na_value=float("nan"))
    table["difference"] = table["candidate"] - table["champion"]
    table["p_value"] = [test and test["p_value"] for test in table["test"]]
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    return cast("list[dict[str, Any]]", records)


def _figures(metrics: Mapping[str, Any] | None) -> "pd.Series[Any]":
    """All metrics of a version by path, such as `per_class/violate/recall`."""
    if metrics is None:
        return pd.Series(dtype=object)
    verdicts = metrics["verdicts"]
    missed = verdicts["leaked"] / verdicts["violations"] if verdicts["violations"] else None
    return pd.json_normalize({**metrics, "missed": missed}, sep="/").iloc[0]


def _negate(test: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The test counts violations that did not pass; the row shows those that did."""
    return None if test is None else {**test, "low": -test["high"], "high": -test["low"]}


def p_value_text(p_value: float) -> str:
    """A p-value to three digits."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"  # noqa: PLR2004 - the digits shown


def snapshot_section(
    manifest: Manifest, snapshot_hash: str, label_issues: Mapping[str, int]
) -> dict[str, Any]:
    """The snapshot in numbers: excluded photos by reason, labels and label issues by class."""
    checked = Counter(photo.label for photo in manifest.photos if photo.part is not Split.GOLDEN)
    return {
        "snapshot": snapshot_hash,
        "as_of": manifest.as_of.isoformat(),
        "photos": len(manifest.photos),
        "new_photos": sum(photo.new for photo in manifest.photos),
        "parts": {
            part.value: len(manifest.photos_in(part)) for part in (Split.TRAIN, Split.GOLDEN)
        },
        "left_out": dict(sorted(Counter(o.reason for o in manifest.left_out).items())),
        "label_issues": sum(label_issues.values()),
        "labels": {
            name: {"checked": count, "doubted": label_issues.get(name, 0)}
            for name, count in sorted(checked.items())
        },
    }


def count_confirmations(manifest: Manifest) -> dict[str, int]:
    """The golden photos by confirmation; empty for a snapshot of an earlier release."""
    golden = manifest.photos_in(Split.GOLDEN)
    return dict(Counter(photo.confirmation.value for photo in golden if photo.confirmation))
