"""The report of a nightly run as Markdown, English and Chinese, for the note on the run."""

import textwrap
from typing import Any

from ml.core.format import MISSING, counts, percent, short_hash

_MAX_FALLBACK = 80  # characters; the run's page has all of it
_MAX_REASONS = 10  # the most frequent ones: a note has at most 1,000 characters
_ACCOUNT = {
    "judged": "judged 已判定",
    "quarantined": "quarantined 已隔离",
    "already_judged": "already judged 此前已判定",
}


def markdown(summary: dict[str, Any]) -> str:
    """Render a report of `ml.moderation.nightly.report`; holds no text that a buyer wrote."""
    verdicts, yuan, window = summary["verdicts"], summary["yuan"], summary["window"]
    rate, saved_share = summary["images_per_second"], yuan["saved_share"]
    account = " + ".join(f"{summary[name]:,} {title}" for name, title in _ACCOUNT.items())
    speed = MISSING if rate is None else f"{rate:,} img/s"
    share = "" if saved_share is None else f" ({percent(saved_share, 0)})"
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
        *_fallback(summary.get("fallback")),
        "",
        f"Seconds by stage 各阶段秒数: {counts(summary['seconds'])}",
        "",
        f"Saved 节省: **¥{yuan['saved']:,}** of ¥{yuan['manual_only']:,} manual 全人工{share}",
    ]
    if reasons := summary["quarantine_reasons"]:
        frequent = dict(sorted(reasons.items(), key=lambda item: -item[1])[:_MAX_REASONS])
        rest = f", … ({len(reasons) - _MAX_REASONS})" if len(reasons) > _MAX_REASONS else ""
        lines += ["", f"Quarantine 隔离原因: {counts(frequent)}{rest}"]
    if rows := summary.get("rows_without_key"):
        lines += ["", f"Commerce rows without a usable object key 没有可用对象键的商城行: {rows:,}"]
    lines += _screens(summary.get("screens", {}))
    lines += _leak(summary.get("leak", []))
    model, policy = short_hash(summary["model_hash"]), short_hash(summary["policy_version"])
    lines += ["", f"Model 模型 `{model}` · policy 策略 `{policy}`"]
    return "\n".join(lines)


def _fallback(reason: str | None) -> list[str]:
    """Why scores were not computed in the way that came first."""
    if reason is None:
        return []
    short = textwrap.shorten(reason, _MAX_FALLBACK, placeholder=" …")
    return ["", f"Not used to compute scores 未用于计算分数: {short}"]


def _screens(screens: dict[str, dict[str, int]]) -> list[str]:
    """How often each screen fired, was not run, or failed."""
    if not screens:
        return []
    fired = ", ".join(f"{name} {states.get('fired', 0):,}" for name, states in screens.items())
    lines = ["", f"Screens fired 检查命中: {fired}"]
    for state, title in (("not_run", "not checked 未检查"), ("unknown", "failed 失败")):
        some = {name: states[state] for name, states in screens.items() if states.get(state)}
        if some:
            lines[-1] += f"; {title}: {counts(some)}"
    return lines


def _leak(estimates: list[dict[str, Any]]) -> list[str]:
    """The latest month's leak rate over all classes, with its interval."""
    known = [e for e in estimates if e["decision"] == "pass" and not e["class"] and e["reviewed"]]
    if not known:
        return []
    last = known[0]
    interval = f"{percent(last['low'], 2)} – {percent(last['high'], 2)}"
    photos = f"{last['violations']:,}/{last['reviewed']:,}"
    return [
        "",
        f"Leak rate 漏放率 {last['month']}: {percent(last['rate'], 2)} ({interval}, {photos})",
    ]
