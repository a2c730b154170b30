"""The report as Markdown, in both languages of its readers, for the note on the run in the UI."""

from typing import Any


def markdown(summary: dict[str, Any]) -> str:
    """Render a report of `ml.audit.report.report`; holds no text that a buyer wrote."""
    verdicts, yuan = summary["verdicts"], summary["yuan"]
    rate = summary["images_per_second"]
    saved_share = yuan["saved_share"]
    window = summary["window"]
    account = " + ".join(
        f"{summary[name]:,} {title}"
        for name, title in (
            ("judged", "judged 判定"),
            ("quarantined", "quarantined 隔离"),
            ("already_judged", "already judged 已判"),
        )
    )
    speed = "–" if rate is None else f"{rate:,} img/s"
    share = "" if saved_share is None else f" ({saved_share:.0%})"
    lines = [
        f"**{summary['listed']:,} photos · 张照片** ({window['start']} – {window['end']})",
        "",
        "| pass 通过 | review 待审 | block 拦截 |",
        "|---:|---:|---:|",
        f"| {verdicts['pass']:,} | {verdicts['review']:,} | {verdicts['block']:,} |",
        "",
        f"Account 对账: {summary['listed']:,} = {account}",
        "",
        f"Speed 速度: {speed}, {summary['device']}",
        "",
        f"Seconds 各阶段秒数: {_pairs(summary['seconds'])}",
        "",
        f"Saved 节省: **¥{yuan['saved']:,}** of ¥{yuan['manual_only']:,} manual 人工{share}",
    ]
    if summary["quarantine_reasons"]:
        lines += ["", f"Quarantine 隔离原因: {_pairs(summary['quarantine_reasons'])}"]
    model, policy = summary["model_hash"][:12], summary["policy_version"][:12]
    lines += ["", f"Model 模型 `{model}` · policy 策略 `{policy}`"]
    return "\n".join(lines)


def _pairs(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items()) or "–"
