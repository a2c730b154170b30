"""The page of a version: the front matter that model hubs read, and figures of the card alone."""

from typing import Any

import pytest
import yaml

from ml.models.card import LeakEvidence, ModelCard, Thresholds
from ml.models.export.readme import write_readme
from tests.support.champion import make_champion

METRICS = {
    "photos": 200,
    "accuracy": 0.95,
    "expected_calibration_error": 0.021,
    "per_class": {
        "normal": {"precision": 0.97, "recall": 0.96, "f1": 0.965, "roc_auc": 0.99, "support": 150},
        "violate": {"precision": 0.9, "recall": 0.92, "f1": 0.91, "roc_auc": None, "support": 50},
    },
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return make_champion(tmp_path_factory.mktemp("version"))


def _front_matter(text: str) -> dict[str, Any]:
    opening, matter, _ = text.split("---\n", 2)
    assert opening == ""
    content: dict[str, Any] = yaml.safe_load(matter)
    return content


def test_front_matter_has_what_hubs_read(plain: ModelCard) -> None:
    card = plain.model_copy(update={"metrics": METRICS})
    matter = _front_matter(write_readme(card, license_id="apache-2.0"))
    assert matter["license"] == "apache-2.0"
    assert "license_name" not in matter
    assert matter["pipeline_tag"] == "image-classification"
    assert matter["library_name"] == "pytorch"
    assert "resnet18" in matter["tags"]
    assert matter["metrics"] == ["accuracy", "f1", "precision", "recall", "roc_auc"]
    (entry,) = matter["model-index"]
    (result,) = entry["results"]
    assert result["task"] == {"type": "image-classification"}
    assert {"name", "type"} <= set(result["dataset"])
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values["accuracy"] == 0.95
    assert values["recall of violate"] == 0.92
    assert "roc_auc of violate" not in values


def test_a_licence_that_nobody_stated_is_not_made_up(plain: ModelCard) -> None:
    matter = _front_matter(write_readme(plain))
    assert (matter["license"], matter["license_name"]) == ("other", "not-stated")


def test_figures_have_intervals_where_the_card_counts_photos(plain: ModelCard) -> None:
    text = write_readme(plain.model_copy(update={"metrics": METRICS}))
    # Clopper and Pearson's interval of 190 of 200 and 46 of 50.
    assert "| accuracy | 95.0% | 91.0% to 97.6% |" in text
    assert "| recall of `violate` | 92.0% | 80.8% to 97.8% |" in text
    assert "200 photos that were held out" in text


def test_missing_figures_are_left_out(plain: ModelCard) -> None:
    text = write_readme(plain)
    assert "| accuracy | 100.0% | |" in text
    assert "does not say on how many photos" in text
    assert "No bound on leaks supports the threshold: test" in text


def test_the_leak_bound_is_that_of_the_card(plain: ModelCard) -> None:
    evidence = LeakEvidence(
        target_rate=0.01, confidence=0.95, photos=900, passed=700.0, leaked=2.0,
        upper_bound=0.009, review_rate=0.2,
    )  # fmt: skip
    solved = Thresholds(pass_confidence=0.9, source="solved", evidence=evidence)
    text = write_readme(plain.model_copy(update={"thresholds": solved}))
    assert "2 of 700 passed photos were violations" in text
    assert "with 95% confidence at most 0.90% leak" in text


def test_onnx_is_described_only_where_it_is_written(plain: ModelCard) -> None:
    assert "model.onnx" not in write_readme(plain)
    assert "opset 17" in write_readme(plain, with_onnx=True)
