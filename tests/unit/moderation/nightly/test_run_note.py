from typing import Any

from ml.core.errors import QuarantineReason
from ml.moderation.nightly.run_note import markdown

BIG = 123_456_789


def summary(**changes: object) -> dict[str, Any]:
    night: dict[str, Any] = {
        "window": {"start": "2026-11-22T02:00:00+08:00", "end": "2026-11-23T02:00:00+08:00"},
        "model_hash": "a" * 64,
        "policy_version": "b" * 64,
        "device": "GPU NVIDIA H200, 139 GiB",
        "listed": 1234,
        "judged": 1200,
        "quarantined": 30,
        "already_judged": 4,
        "verdicts": {"pass": 1000, "review": 190, "block": 10},
        "quarantine_reasons": {"truncated": 30},
        "seconds": {"fetch": 10.5, "wall": 22.25},
        "images_per_second": 55.3,
        "yuan": {"manual_only": 246.8, "saved": 202.75, "saved_share": 0.8215},
    }
    return night | changes


def test_run_note_has_the_numbers_of_the_run() -> None:
    note = markdown(summary())
    for words in (
        "1,234 = 1,200 judged 已判定 + 30 quarantined 已隔离 + 4 already judged 此前已判定",
        "| 1,000 | 190 | 10 |",
        "55.3 img/s",
        "¥202.75** of ¥246.8 manual 全人工 (82%)",
        "truncated 30",
        "fetch 10.5, wall 22.25",
        "`aaaaaaaaaaaa`",
        "`bbbbbbbbbbbb`",
    ):
        assert words in note


def test_run_note_says_why_a_faster_computation_is_not_used() -> None:
    note = markdown(summary(fallback="openvino int8: logits on the probe differ by 0.3"))
    assert "未用于计算分数: openvino int8: logits on the probe differ by 0.3" in note
    assert "未用于计算分数" not in markdown(summary(fallback=None))


def test_run_note_is_bilingual() -> None:
    note = markdown(summary())
    for pair in ("pass 通过", "review 待人审", "block 拦截", "Saved 节省", "Quarantine 隔离原因"):
        assert pair in note


def test_run_note_of_an_empty_run_has_no_rate_and_share() -> None:
    yuan = {"manual_only": 0.0, "saved": 0.0, "saved_share": None}
    note = markdown(
        summary(images_per_second=None, yuan=yuan, quarantine_reasons={}, seconds={}, listed=0)
    )
    assert "None" not in note
    assert "隔离原因" not in note
    assert "Speed 速度: –" in note


def test_longest_run_note_fits_airflows_limit() -> None:
    note = markdown(
        summary(
            listed=BIG,
            judged=BIG,
            quarantined=BIG,
            already_judged=BIG,
            verdicts=dict.fromkeys(("pass", "review", "block"), BIG),
            quarantine_reasons={str(reason): BIG for reason in QuarantineReason},
            seconds=dict.fromkeys(("wall", "fetch", "decode", "forward", "write"), 12_345.67),
            images_per_second=12_345.6,
            fallback="openvino int8: logits on the probe differ, " * 9,
            yuan={"manual_only": 24_691_357.8, "saved": 24_000_000.55, "saved_share": 0.972},
        )
    )
    assert len(note) <= 1000
    assert f", … ({len(QuarantineReason) - 10})" in note


def test_run_note_has_screens_and_leak_rate() -> None:
    screens = {"codes": {"fired": 3, "clear": 9}, "text": {"not_run": 7, "unknown": 1}}
    month = {
        "decision": "pass",
        "reviewed": 200,
        "violations": 1,
        "rate": 0.005,
        "low": 0.0,
        "high": 0.02,
    }
    leak = [
        month | {"month": "2026-11", "class": ""},
        month | {"month": "2026-11", "class": "violate"},
        month | {"month": "2026-10", "class": "", "rate": 0.5},
    ]
    note = markdown(summary(screens=screens, leak=leak))
    assert "codes 3, text 0; not checked 未检查: text 7; failed 失败: text 1" in note
    assert "Leak rate 漏放率 2026-11: 0.50% (0.00% – 2.00%, 1/200)" in note
    assert "50.00%" not in note


def test_run_note_omits_missing_screens_and_leak_rate() -> None:
    unanswered = {"month": "2026-11", "decision": "pass", "class": "", "reviewed": 0, "rate": None}
    assert markdown(summary(screens={}, leak=[unanswered])) == markdown(summary())
