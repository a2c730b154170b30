"""The report of a nightly run as Markdown, English and Chinese, for the note on the run."""

from collections.abc import Mapping
from typing import Any


def markdown(summary: dict[str, Any]) -> str:
    """Render a report of `ml.moderation.nightly.report`; holds no text that a buyer wrote."""
    verdicts, yuan = summary["verdicts"], summary["yuan"]
    rate = summary["images_per_second"]
    saved_share = yuan["saved_share"]
    window = summary["window"]
    account = " + ".join(
        f"{summary[name]:,} {title}"
        for name, title in (
            ("judged", "judged 已判定"),
            ("quarantined", "quarantined 已隔离"),
            ("already_judged", "already judged 此前已判定"),
        )
    )
    speed = "–" if rate is None else f"{rate:,} img/s"
    share = "" if saved_share is None else f" ({saved_share:.0%})"
    lines = [
        f"**{summary['listed']:,} photos · 张图片** ({window['start']} – {window['end']})",
        "",
        "| pass 通过 | review 待人审 | block 拦截 |",
        "|---:|---:|---:|",
        f"| {verdicts['pass']:,} | {verdicts['review']:,} | {verdicts['block']:,} |",
        "",
        f"Reconciled 核对: {summary['listed']:,} = {account}",
        "",
        f"Speed 速度: {speed}, {summary['device']}",
        "",
        f"Seconds by stage 各阶段秒数: {_pairs(summary['seconds'])}",
        "",
        f"Saved 节省: **¥{yuan['saved']:,}** of ¥{yuan['manual_only']:,} manual 全人工{share}",
    ]
    if summary["quarantine_reasons"]:
        lines += ["", f"Quarantine 隔离原因: {_pairs(summary['quarantine_reasons'])}"]
    lines += _screens(summary.get("screens", {}))
    lines += _leak(summary.get("leak", []))
    model, policy = summary["model_hash"][:12], summary["policy_version"][:12]
    lines += ["", f"Model 模型 `{model}` · policy 策略 `{policy}`"]
    return "\n".join(lines)


def _screens(screens: dict[str, dict[str, int]]) -> list[str]:
    """How often each screen fired, was not run, or failed."""
    if not screens:
        return []
    fired = ", ".join(f"{name} {states.get('fired', 0):,}" for name, states in screens.items())
    lines = ["", f"Screens fired 检查命中: {fired}"]
    for state, title in (("not_run", "not checked 未检查"), ("unknown", "failed 失败")):
        some = {name: states[state] for name, states in screens.items() if states.get(state)}
        if some:
            lines[-1] += f"; {title}: {_pairs(some)}"
    return lines


def _leak(estimates: list[dict[str, Any]]) -> list[str]:
    """The latest month's leak rate over all classes, with its interval."""
    known = [e for e in estimates if e["decision"] == "pass" and not e["class"] and e["reviewed"]]
    if not known:
        return []
    last = known[0]
    interval = (
        f"{last['low']:.2%} – {last['high']:.2%}, {last['violations']:,}/{last['reviewed']:,}"
    )
    return ["", f"Leak rate 漏放率 {last['month']}: {last['rate']:.2%} ({interval})"]


def _pairs(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items()) or "–"
