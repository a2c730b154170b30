import pytest

from benchmarks.peers.plan import Plan, Version, parse_variant
from ml.core.errors import SettingsError

ALL = ("article", "ray", "daft", "ours")
ARTICLE, SHIPPED = Version("a" * 64, "article", 224), Version("b" * 64, "shipped", 128)


def _names(plan: Plan, version: Version) -> list[str]:
    return [case.name for case in plan.cases(version, "peers/", ["peers/0.jpg"], 224)]


def test_variant_is_settings_by_commas() -> None:
    assert parse_variant("MODERATION_A=1, MODERATION_B=x=y") == {
        "MODERATION_A": "1",
        "MODERATION_B": "x=y",
    }


@pytest.mark.parametrize("text", ["", "A=1", "MODERATION_A", "MODERATION_A=1,,"])
def test_text_that_names_no_setting_is_rejected(text: str) -> None:
    with pytest.raises(SettingsError, match="MODERATION_NAME=VALUE"):
        parse_variant(text)


def test_loop_of_the_article_is_measured_at_its_own_size_only() -> None:
    plan = Plan(ALL, screens=False, bf16=False)
    assert [name for name in _names(plan, ARTICLE) if "article" in name]
    assert _names(plan, SHIPPED) == ["Ray Data", "Daft", "ours", "ours"]  # the last: the ceiling


def test_bf16_and_screens_add_cases() -> None:
    plan = Plan(("daft", "ours"), screens=True, bf16=True)
    assert _names(plan, SHIPPED) == ["Daft", "Daft, bfloat16", "ours", "ours, screens", "ours"]


def test_variant_of_ours_has_its_settings_and_its_own_ceiling() -> None:
    plan = Plan(("ours",), screens=False, bf16=False, variants=("MODERATION_BATCH_SIZE=8",))
    cases = plan.cases(SHIPPED, "peers/", ["peers/0.jpg"], 224)
    assert [(case.name, case.job.system) for case in cases] == [
        ("ours", "ours"),
        ("ours", "ceiling"),
        ("ours, MODERATION_BATCH_SIZE=8", "ours"),
        ("ours, MODERATION_BATCH_SIZE=8", "ceiling"),
    ]
    assert [bool(case.environment) for case in cases] == [False, False, True, True]
