import numpy as np

from ml.learning.retrain.compared_scores import ComparedScores
from ml.models.evaluation.model_comparison import ModelScores, Photos
from tests.support.policies import policy


def _scores(*violation: float) -> ModelScores:
    scores = np.array(violation)
    return ModelScores(np.stack([1 - scores, scores], axis=1), 0.7)


def _compared(champion: ModelScores | None) -> ComparedScores:
    return ComparedScores(
        hashes=["rest", "caught", "leak", "great leak", "same", "great rest"],
        photos=Photos(np.array([0, 1, 1, 1, 1, 0]), ["x"] * 6, {}),
        sets={},
        candidate=_scores(0.1, 0.9, 0.2, 0.1, 0.9, 0.0),
        champion=champion,
    )


def test_disagreements_are_new_leaks_then_old_leaks_then_the_rest() -> None:
    compared = _compared(_scores(0.6, 0.1, 0.5, 0.9, 0.8, 0.9))
    found = compared.find_disagreements(policy(violate=None))
    assert [photo["content_sha256"] for photo in found] == [
        "great leak", "leak", "caught", "great rest", "rest",
    ]  # fmt: skip
    assert found[0] == {
        "content_sha256": "great leak",
        "label": "violate",
        "category": "x",
        "candidate": "pass",
        "champion": "review",
        "candidate_score": 0.1,
        "champion_score": 0.9,
    }


def test_without_a_champion_there_are_no_disagreements() -> None:
    assert _compared(None).find_disagreements(policy(violate=None)) == []
