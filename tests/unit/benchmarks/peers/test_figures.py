import pytest

from benchmarks.peers.figures import CPU, WALL, Result, costs_of_screens, ratios, speeds, spread


def _result(number: int, system: str, seconds: float, *, name: str = "", crop: int = 224) -> Result:
    return Result(number, system, name or system, crop, 100, seconds, 1.0, 500.0, 0.0, {})


def test_spread_is_smallest_median_and_largest() -> None:
    found = spread([3.0, 1.0, 2.0])
    assert (found.low, found.middle, found.high) == (1.0, 2.0, 3.0)
    assert str(found) == "2.00 (1.00 to 3.00)"


def test_speeds_are_images_per_second_of_each_case_in_order() -> None:
    results = [_result(0, "b", 10), _result(0, "a", 5), _result(1, "b", 20)]
    assert list(speeds(results)) == ["b, 224 px", "a, 224 px"]
    assert speeds(results)["b, 224 px"].high == 10.0
    assert speeds(results)["b, 224 px"].low == 5.0


def test_ratio_is_of_the_same_round_and_of_the_better_variant_of_a_peer() -> None:
    results = [
        _result(0, "article", 10, name="one thread"),
        _result(0, "article", 8, name="two threads"),
        _result(0, "ours", 4),
        _result(1, "article", 20, name="one thread"),
        _result(1, "article", 40, name="two threads"),
        _result(1, "ours", 5),
    ]
    found = ratios(results, WALL)["ours, 224 px"]["article"]
    assert (found.low, found.high) == (2.0, 4.0)


def test_article_is_compared_with_every_size_and_other_peers_with_their_own() -> None:
    results = [
        _result(0, "article", 10),
        _result(0, "daft", 5),
        _result(0, "daft", 2, crop=128),
        _result(0, "ours", 5),
        _result(0, "ours", 2, crop=128),
    ]
    found = ratios(results, WALL)
    assert found["ours, 128 px"]["article"].middle == pytest.approx(5)
    assert found["ours, 128 px"]["daft"].middle == pytest.approx(1)
    assert found["ours, 224 px"]["daft"].middle == pytest.approx(1)


def test_ratio_of_processor_time_does_not_depend_on_the_wall_time() -> None:
    results = [_result(0, "daft", 10), _result(0, "ours", 90)]
    assert ratios(results, CPU)["ours, 224 px"]["daft"].middle == pytest.approx(1)


def test_system_without_a_peer_has_no_ratio() -> None:
    assert ratios([_result(0, "ours", 5)], WALL) == {"ours, 224 px": {}}


def test_cost_of_the_screens_is_of_the_same_round_size_and_variant() -> None:
    results = [
        _result(0, "ours", 10),
        _result(0, "ours", 15, name="ours, screens"),
        _result(0, "ours", 5, crop=128),
        _result(0, "ours", 10, name="ours, screens", crop=128),
        _result(0, "ours", 1, name="ours, MODERATION_X=y"),
    ]
    found = costs_of_screens(results, ", screens")
    assert {case: cost.middle for case, cost in found.items()} == {
        "ours, screens, 224 px": 1.5,
        "ours, screens, 128 px": 2.0,
    }
