"""The report's numbers arranged for the page: rows, and sentences in both languages."""

from collections.abc import Mapping
from typing import Any

GROUPINGS = {
    "category": "Category · 类别",
    "route": "How it came before people · 来源",
    "size": "Short side (small <300, large ≥800 px) · 尺寸",
    "brightness": "Brightness (dark <85, bright ≥170 of 255) · 亮度",
    "new_class": "Classes new to the champion · 新增类别",
}
PLOTS = {
    "trade_off": "Work against leaks · 人工量与漏放",
    "confusion_candidate": "Confusion, candidate · 候选混淆矩阵",
    "confusion_champion": "Confusion, champion · 现役混淆矩阵",
    "reliability_candidate": "Calibration, candidate · 候选校准",
    "reliability_champion": "Calibration, champion · 现役校准",
    "precision_recall_candidate": "Precision and recall, candidate · 候选查准查全",
    "precision_recall_champion": "Precision and recall, champion · 现役查准查全",
    "training": "Training · 训练曲线",
}


def verdict(gated: Mapping[str, Any] | None) -> dict[str, str]:
    """What was decided so far: `tone`, and a line in each language."""
    if gated is None:
        return {"tone": "open", "en": "Not gated yet", "zh": "尚未过关卡"}
    gates = gated["gates"]
    failed = sum(not gate["passed"] for gate in gates)
    if gated["decision"] == "promote":
        en = f"All {len(gates)} gates passed: may be promoted"
        return {"tone": "good", "en": en, "zh": f"全部 {len(gates)} 道关卡通过: 可以上线"}
    en = f"Held: {failed} of {len(gates)} gates failed"
    return {"tone": "bad", "en": en, "zh": f"暂缓上线: {len(gates)} 道关卡中 {failed} 道未通过"}


def sentence(report: Mapping[str, Any]) -> dict[str, str]:
    """The month in one sentence, in each language (`en`, `zh`)."""
    golden = report["sets"]["golden"]
    ours, theirs = golden["candidate"], golden["champion"]
    photos, accuracy = golden["photos"], _percent(ours["accuracy"])
    leak, review = (_percent(ours["verdicts"][name]) for name in ("leak_rate", "review_rate"))
    en = f"On {photos:,} golden photos the candidate names the right class of {accuracy}"
    zh = f"在 {photos:,} 张金标照片上, 候选模型准确率 {accuracy}"
    if theirs is None:
        en, zh = f"{en}; there is no champion to compare with", f"{zh}, 没有现役模型可比较"
    else:
        old = _percent(theirs["accuracy"])
        luck = chance(golden["paired"]["accuracy"]["p_value"])
        en, zh = f"{en}, the champion of {old} (p {luck})", f"{zh}, 现役模型 {old} (p {luck})"
    return {
        "en": f"{en}. Of what it passes, {leak} are violations; {review} of all photos wait for "
        "a person.",
        "zh": f"{zh}。放行照片中违规占 {leak}, 全部照片中 {review} 待人工审核。",
    }


def measures(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table candidate beside champion.

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
        _row(part, "Violations shown · 违规漏放", ("verdicts", "missed"), better="lower",
             test=_turned(tests["leak"])),
        _row(part, "Violations among passed · 放行中违规", ("verdicts", "leak_rate"),
             better="lower"),
        _row(part, "Wait for a person · 待人工审核", ("verdicts", "review_rate"), better="lower"),
        _row(part, "Passed · 放行", ("verdicts", "pass_rate")),
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


def chance(p_value: float) -> str:
    """A p-value to three digits."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"  # noqa: PLR2004 - the digits shown


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
