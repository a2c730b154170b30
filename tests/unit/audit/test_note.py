from typing import Any

from ml.audit.note import markdown
from ml.errors import QuarantineReason

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


def test_the_numbers_of_the_night_are_there() -> None:
    note = markdown(summary())
    for words in (
        "1,234 = 1,200 judged 判定 + 30 quarantined 隔离 + 4 already judged 已判",
        "| 1,000 | 190 | 10 |",
        "55.3 img/s",
        "¥202.75** of ¥246.8 manual 人工 (82%)",
        "truncated 30",
        "fetch 10.5, wall 22.25",
        "`aaaaaaaaaaaa`",
        "`bbbbbbbbbbbb`",
    ):
        assert words in note


def test_both_languages_are_there() -> None:
    note = markdown(summary())
    for pair in ("pass 通过", "review 待审", "block 拦截", "Saved 节省", "Quarantine 隔离原因"):
        assert pair in note


def test_an_empty_night_has_no_rate_and_no_share() -> None:
    yuan = {"manual_only": 0.0, "saved": 0.0, "saved_share": None}
    note = markdown(
        summary(images_per_second=None, yuan=yuan, quarantine_reasons={}, seconds={}, listed=0)
    )
    assert "None" not in note
    assert "隔离原因" not in note
    assert "Speed 速度: –" in note


def test_the_longest_note_fits_into_what_airflow_takes() -> None:
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
            yuan={"manual_only": 24_691_357.8, "saved": 24_000_000.55, "saved_share": 0.972},
        )
    )
    assert len(note) <= 1000


def test_what_the_screens_found_and_what_leaks_is_there() -> None:
    screens = {"codes": {"fired": 3, "quiet": 9}, "text": {"not_run": 7, "unknown": 1}}
    month = {
        "decision": "pass",
        "answered": 200,
        "wrong": 1,
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
    assert "codes 3, text 0; not run 未执行: text 7; failed 失败: text 1" in note
    assert "Leak rate 漏检率 2026-11: 0.50% (0.00% – 2.00%, 1/200)" in note
    assert "50.00%" not in note


def test_without_screens_and_answers_nothing_is_said_of_them() -> None:
    unanswered = {"month": "2026-11", "decision": "pass", "class": "", "answered": 0, "rate": None}
    assert markdown(summary(screens={}, leak=[unanswered])) == markdown(summary())
