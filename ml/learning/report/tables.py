"""The report's numbers arranged for the page: rows, and sentences in both languages."""

from collections.abc import Mapping
from typing import Any

from ml.core.format import percent

GROUPINGS = {
    "category": "Category · 类别",
    "route": "Route · 来源",
    "size": "Short side (small <300, large ≥800 px) · 尺寸",
    "brightness": "Brightness (dark <85, bright ≥170 of 255) · 亮度",
    "new_class": "Classes unknown to the champion · 新增类别",
}
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
    golden = report["sets"]["golden"]
    ours, theirs = golden["candidate"], golden["champion"]
    photos, accuracy = golden["photos"], percent(ours["accuracy"])
    leak, review = (percent(ours["verdicts"][name]) for name in ("leak_rate", "review_rate"))
    en = f"On {photos:,} golden photos the candidate has an accuracy of {accuracy}"
    zh = f"在 {photos:,} 张金标图片上，候选模型准确率 {accuracy}"
    if theirs is None:
        en, zh = f"{en}; there is no champion to compare with", f"{zh}，没有现役模型可对比"
    else:
        old = percent(theirs["accuracy"])
        p_value = p_value_text(golden["paired"]["accuracy"]["p_value"])
        en, zh = (
            f"{en}, the champion of {old} (p {p_value})",
            f"{zh}，现役模型 {old}（p {p_value}）",
        )
    return {
        "en": f"{en}. Of what it passes, {leak} are violations; {review} go to review.",
        "zh": f"{zh}。漏放率 {leak}，待人审率 {review}。",
    }


def measures(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table candidate versus champion.

    Each has `name`, `candidate`, `champion`, `difference` (candidate less champion), `test` (the
    paired test, or None), `p_value`, `higher_is_better`, and `kind`: `share` or `number`.
    """
    tests = part["paired"] or {"accuracy": None, "recall": {}, "leak": None}
    rows = [_row(part, "Accuracy · 准确率", ("accuracy",), test=tests["accuracy"])]
    for name in part["candidate"]["per_class"]:
        rows += _class_rows(part, name, tests["recall"].get(name))
    rows += [
        _row(part, "Calibration error · 校准误差", ("expected_calibration_error",),
             better="lower", kind="number"),
        _row(part, "Missed (of all violations) · 漏检率", ("verdicts", "missed"), better="lower",
             test=_turned(tests["leak"])),
        _row(part, "Leak rate (of what passed) · 漏放率", ("verdicts", "leak_rate"),
             better="lower"),
        _row(part, "Sent to review · 待人审", ("verdicts", "review_rate"), better="lower"),
        _row(part, "Passed · 通过", ("verdicts", "pass_rate")),
        _row(part, "Blocked · 拦截", ("verdicts", "block_rate")),
    ]  # fmt: skip
    return rows


def _class_rows(
    part: Mapping[str, Any], name: str, test: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    path = ("per_class", name)
    return [
        _row(part, f"{name}: recall · 召回率", (*path, "recall"), test=test),
        _row(part, f"{name}: precision · 精确率", (*path, "precision")),
        _row(part, f"{name}: F1", (*path, "f1"), kind="number"),
        _row(part, f"{name}: PR-AUC", (*path, "pr_auc"), kind="number"),
    ]


def _row(
    part: Mapping[str, Any],
    name: str,
    path: tuple[str, ...],
    *,
    test: Mapping[str, Any] | None = None,
    better: str = "higher",
    kind: str = "share",
) -> dict[str, Any]:
    ours, theirs = (_value(part[who], path) for who in ("candidate", "champion"))
    return {
        "name": name,
        "candidate": ours,
        "champion": theirs,
        "difference": None if ours is None or theirs is None else ours - theirs,
        "test": test,
        "p_value": test["p_value"] if test else None,
        "higher_is_better": better == "higher",
        "kind": kind,
    }


def _value(measured: Mapping[str, Any] | None, path: tuple[str, ...]) -> float | None:
    if measured is None:
        return None
    if path == ("verdicts", "missed"):
        verdicts = measured["verdicts"]
        return verdicts["leaked"] / verdicts["violations"] if verdicts["violations"] else None
    found: Any = measured
    for step in path:
        found = found[step]
    return None if found is None else float(found)


def _turned(test: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The test counts violations that did not pass; the row shows those that did."""
    if test is None:
        return None
    return {**test, "low": -test["high"], "high": -test["low"]}


def p_value_text(p_value: float) -> str:
    """A p-value to three digits."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"  # noqa: PLR2004 - the digits shown
